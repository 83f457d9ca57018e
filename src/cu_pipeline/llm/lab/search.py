"""The search for a better prompt: random candidates, of which each round keeps the better half."""

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.llm.clients.call_log import Known, TimedCall
from cu_pipeline.llm.clients.dispatch import LanguageModel, ask_timed
from cu_pipeline.llm.clients.protocol import Answer
from cu_pipeline.llm.lab.development import Development, SearchOptions
from cu_pipeline.llm.lab.measuring import right_of
from cu_pipeline.llm.labels.options import LlmOptions
from cu_pipeline.llm.methods.few_shot import Pool, fixed_examples
from cu_pipeline.llm.methods.interpret import interpret
from cu_pipeline.llm.methods.question_plan import Plan, plan
from cu_pipeline.llm.methods.recipe import Recipe, prompt_named
from cu_pipeline.llm.prompts.task import FORMS


@dataclass(frozen=True)
class Round:
    """What one round of a search found.

    Attributes:
        clips: on which each candidate was tried.
        candidates: how many were tried.
        best: accuracy of the best of them.
        kept: names of those that went on, best first.
    """

    clips: int
    candidates: int
    best: float
    kept: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """The outcome of a search.

    Attributes:
        recipe: the candidate that was left.
        rounds: how it came about.
    """

    recipe: Recipe
    rounds: tuple[Round, ...]


def candidates(
    template: str, instructions: Sequence[str], pool: Pool, shots: int, count: int, seed: int
) -> list[Recipe]:
    """Draw combinations of an instruction, words for the classes, and a set of examples.

    Args:
        template: the prompt that follows each instruction.
        instructions: "" for none.
        pool: where examples are drawn from.
        shots: of the candidates that show examples.
        count: how many; fewer if there are no more combinations.
        seed: of the draw.
    """
    sets = [(), *(fixed_examples(pool, shots, salt=str(number)) for number in range(4))] if len(pool) else [()]
    space = [(instruction, form, shown) for instruction in instructions for form in FORMS for shown in sets]
    chosen = np.random.default_rng(seed).permutation(len(space))[:count]
    return [
        Recipe(
            prompt=f"candidate {place}",
            template=f"{instruction}\n\n{template}" if instruction else template,
            method="few_shot_batch" if shown else "score_batch",
            form=form,
            examples=shown,
            shots=len(shown),
        )
        for place in map(int, chosen)
        for instruction, form, shown in [space[place]]
    ]


def halve(
    recipes: Sequence[Recipe],
    clips: int,
    calls: int,
    plan_first: Callable[[Recipe, int], Plan],
    right: Callable[[Plan, Mapping[str, Answer]], NDArray[np.bool_]],
) -> Generator[list[Plan], Mapping[str, Answer], Found]:
    """Try all recipes on a few captions, keep the better half, try these on more, until one is left.

    Each round has the same share of the budget. Since a round's captions are among the next one's, fewer calls
    are made than are allowed. Source: successive halving, Karnin et al., "Almost Optimal Exploration in
    Multi-Armed Bandits" (ICML 2013).

    Args:
        recipes: the candidates.
        clips: captions that there are.
        calls: the budget.
        plan_first: gives what a recipe asks about the first so many captions.
        right: tells for a plan's captions whether the answers to it are right.

    Yields:
        Plans whose questions are to be answered; wants all known answers back.

    Returns:
        The recipe that is left.
    """
    alive, rounds = list(recipes), []
    share = calls // max(1, math.ceil(math.log2(max(2, len(alive)))))
    while len(alive) > 1:
        used = max(1, min(clips, share // len(alive)))
        plans = [plan_first(recipe, used) for recipe in alive]
        known = yield plans
        scores = [float(right(one, known).mean()) for one in plans]
        order = sorted(range(len(alive)), key=lambda place: (-scores[place], place))
        kept = order[: math.ceil(len(alive) / 2)]
        rounds.append(Round(used, len(alive), max(scores), tuple(alive[place].prompt for place in kept)))
        alive = [alive[place] for place in kept]
    return Found(alive[0], tuple(rounds))


LEAST_CLIPS = 8
"""Training clips with which a search makes sense."""

Steps = Generator[list[Plan], Mapping[str, Answer], Found]


def ask_search(steps: Steps, known: Known, options: LlmOptions) -> Iterator[list[TimedCall]]:
    """Ask what a search wants to know and is not known yet."""
    answers = dict(known.answers)
    wanted: list[Plan] = next(steps)
    while True:
        for calls in ask_timed([one.everything for one in wanted], answers, options.client):
            answers |= {one.call.key: one.call.answer for one in calls}
            yield calls
        try:
            wanted = steps.send(answers)
        except StopIteration:
            return


def conclude_search(steps: Steps, answers: Mapping[str, Answer]) -> Found:
    """Go through a search all of whose questions were answered."""
    next(steps)
    while True:
        try:
            steps.send(answers)
        except StopIteration as end:
            found: Found = end.value
            return found


def search_steps(
    development: Development,
    prompts: dict[str, str],
    options: SearchOptions,
    shots: int,
    llm: LlmOptions,
    seed: int,
) -> Steps | None:
    """Set a search up; None when it is switched off or there are too few training clips."""
    searched = development.searched
    if not options.enabled or len(searched) < LEAST_CLIPS:
        return None
    identity = LanguageModel.of(llm.client).identity
    template = prompt_named(prompts, options.prompt)
    recipes = candidates(template, options.instructions, development.pool, shots, options.candidates, seed)

    def plan_first(recipe: Recipe, clips: int) -> Plan:
        return plan(recipe, development.task, searched.clips[:clips], development.pool)

    def right(asked: Plan, answers: Mapping[str, Answer]) -> NDArray[np.bool_]:
        said = interpret(asked, answers, identity, development.priors)
        return right_of(said, searched.truth, development.task.capability.kind)

    return halve(recipes, len(searched), options.calls, plan_first, right)
