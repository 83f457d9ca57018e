"""Which prompts are tried with which methods, and what they require to be known of clips."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cu_pipeline.llm.clients.protocol import ModelQuestion
from cu_pipeline.llm.lab.development import Development, LabelledClips, PromptsOptions
from cu_pipeline.llm.labels.options import LlmOptions
from cu_pipeline.llm.labels.recipes import ChampionOf, recipe_with, with_pictures
from cu_pipeline.llm.methods.question_plan import Plan, plan
from cu_pipeline.llm.methods.recipe import Recipe, prompt_named, unfit
from cu_pipeline.llm.prompts.inputs import PICTURES
from cu_pipeline.llm.prompts.prompt import Prompt


def required_inputs(
    labelled: LabelledClips,
    prompts: Mapping[str, str],
    champion_of: ChampionOf,
    options: PromptsOptions,
    llm: LlmOptions,
) -> frozenset[str]:
    """Name all that any prompt of the lab requires of a clip: of the grid, of the search, and of what labels now.

    Raises:
        ConfigurationError: a prompt is unknown.
    """
    templates = [prompt_named(prompts, name) for name in options.prompts]
    if options.search.enabled:
        templates += [prompt_named(prompts, options.search.prompt), *options.search.instructions]
    if llm.prompt in prompts:
        templates.append(prompts[llm.prompt])
    if champion := champion_of(labelled.name):
        templates.append(champion.recipe.template)
    return frozenset({PICTURES}).union(*(Prompt(one).required for one in templates))


_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """One prompt with one method, and what it asks.

    Attributes:
        recipe: prompt and method.
        plans: one for each order of the examples; one alone without examples.
    """

    recipe: Recipe
    plans: tuple[Plan, ...]


def build_trials(
    development: Development,
    prompts: dict[str, str],
    present: Recipe,
    others: Sequence[Recipe],
    options: PromptsOptions,
    llm: LlmOptions,
) -> list[Trial]:
    """Plan all that is measured: the present recipe first, then each prompt with each method, then the others.

    Args:
        development: the clips.
        prompts: templates by name.
        present: what labels now.
        others: further recipes, such as one that a search found.
        options: the grid.
        llm: how many frames are shown by methods that show any.

    Raises:
        ConfigurationError: a prompt of the grid is unknown or names what it is not given.
    """
    grid = [
        with_pictures(recipe_with(name, prompt_named(prompts, name), method, development.pool, options.shots), llm)
        for name in options.prompts
        for method in _able(options.methods, development)
    ]
    distinct: dict[str, Recipe] = {}
    for recipe in (present, *grid, *others):
        distinct.setdefault(_content(recipe), recipe)
    return _without_repeats([_trial(recipe, development, options.orders) for recipe in distinct.values()])


def blocks(trials: Sequence[Trial]) -> Iterator[Sequence[ModelQuestion]]:
    """List the questions of all trials, those of one plan together."""
    for trial in trials:
        for one in trial.plans:
            yield one.everything


def _able(methods: Sequence[str], development: Development) -> list[str]:
    """Leave out the methods that cannot label the capability, and say so."""
    reasons = {method: unfit(method, development.task.capability) for method in methods}
    for method, reason in reasons.items():
        if reason:
            _log.info("%s: %s is left out: %s", development.task.name, method, reason)
    return [method for method, reason in reasons.items() if not reason]


def _without_repeats(trials: Sequence[Trial]) -> list[Trial]:
    """Leave out trials that ask just what an earlier one asks, as where nothing is known that a prompt would tell."""
    kept: dict[object, Trial] = {}
    for trial in trials:
        asked = tuple(one.everything for one in trial.plans)
        first = kept.setdefault((trial.recipe.how, trial.recipe.bias, trial.recipe.form, asked), trial)
        if first is not trial:
            _log.info("%s is left out: it asks the same as %s", trial.recipe.name, first.recipe.name)
    return list(kept.values())


def _trial(recipe: Recipe, development: Development, orders: int) -> Trial:
    clips = development.measured.clips
    number = orders if recipe.how.examples != "none" else 1
    return Trial(
        recipe, tuple(plan(recipe, development.task, clips, development.pool, order) for order in range(number))
    )


def _content(recipe: Recipe) -> str:
    return recipe.model_copy(update={"prompt": "", "bias": ()}).version
