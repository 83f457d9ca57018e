"""The search for a better prompt on training clips, asked or read from what is known."""

from collections.abc import Generator, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.labeling.options import LlmOptions
from cu_pipeline.llm.clients.protocol import Answer
from cu_pipeline.llm.clients.table import client_kind
from cu_pipeline.llm.clients.timed import Known, TimedCall, answer_timed
from cu_pipeline.llm.lab.development import Development
from cu_pipeline.llm.lab.halving import Found, candidates, halve
from cu_pipeline.llm.lab.measuring import right_of
from cu_pipeline.llm.lab.options import SearchOptions
from cu_pipeline.llm.methods.interpret import read
from cu_pipeline.llm.methods.plan import Plan, plan
from cu_pipeline.llm.methods.recipe import Recipe, prompt_named

LEAST_CLIPS = 8
"""Training clips with which a search makes sense."""

Steps = Generator[list[Plan], Mapping[str, Answer], Found]


def ask_search(steps: Steps, known: Known, options: LlmOptions) -> Iterator[list[TimedCall]]:
    """Ask what a search wants to know and is not known yet."""
    answers = dict(known.answers)
    wanted: list[Plan] = next(steps)
    while True:
        for calls in answer_timed([one.everything for one in wanted], answers, options.client):
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
    identity = client_kind(llm.client).identity(llm.client)
    template = prompt_named(prompts, options.prompt)
    recipes = candidates(template, options.instructions, development.pool, shots, options.candidates, seed)

    def plan_first(recipe: Recipe, clips: int) -> Plan:
        return plan(recipe, development.task, searched.clips[:clips], development.pool)

    def right(asked: Plan, answers: Mapping[str, Answer]) -> NDArray[np.bool_]:
        reading = read(asked, answers, identity, development.priors)
        return right_of(reading, searched.truth, development.task.capability.kind)

    return halve(recipes, len(searched), options.calls, plan_first, right)
