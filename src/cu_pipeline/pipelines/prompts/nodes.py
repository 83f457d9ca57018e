import logging
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

import pandas as pd

from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.features.text_log import TextFeature
from cu_pipeline.labeling.guarantee.calibration import calibration_clips, prior_knowledge
from cu_pipeline.labeling.inputs import Extracted, clip_inputs
from cu_pipeline.labeling.options import LabelOptions
from cu_pipeline.labeling.priors import class_priors
from cu_pipeline.labeling.recipes import ChampionOf, resolve_recipes
from cu_pipeline.labeling.screens import read_missing_screens
from cu_pipeline.pipelines.prompts.base_rate import against_base_rate
from cu_pipeline.pipelines.prompts.choose import choose
from cu_pipeline.pipelines.prompts.development import Development, Use, build_development, choose_labelled
from cu_pipeline.pipelines.prompts.measure import Measured, measure
from cu_pipeline.pipelines.prompts.options import PromptsOptions
from cu_pipeline.pipelines.prompts.seek import ask_search, conclude_search, search_steps
from cu_pipeline.pipelines.prompts.told import wanted_inputs
from cu_pipeline.pipelines.prompts.trials import Trial, blocks, build_trials
from cu_pipeline.prompting.clients import client_kind
from cu_pipeline.prompting.recipe import Recipe, misfit
from cu_pipeline.prompting.search import Found
from cu_pipeline.prompting.timed import Known, TimedCall, answer_timed
from cu_pipeline.reports.figures import png
from cu_pipeline.reports.prompt_figures import quality_and_cost
from cu_pipeline.reports.prompts_page import in_words, prompts_page

_log = logging.getLogger(__name__)


def choose_labelled_clips(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    resolved: ResolvedCapabilities,
    options: PromptsOptions,
    label: LabelOptions,
) -> pd.DataFrame:
    """Choose the labelled clips that prompts are developed on; no test clip and no calibration clip is among them."""
    chosen = choose_labelled(clips, _knowledge(clips, annotations, resolved, label), resolved.active, options, label)
    used = chosen["use"].value_counts()
    _log.info(
        "%s: measured on %d validation clips; %d training clips give examples, %d serve the search",
        options.capability,
        *(used.get(use.value, 0) for use in (Use.MEASURED, Use.SHOWN, Use.SEARCHED)),
    )
    return chosen


def read_labelled_screens(
    chosen: pd.DataFrame,
    prompts: dict[str, str],
    champion_of: ChampionOf,
    known: dict[str, str],
    options: PromptsOptions,
    label: LabelOptions,
    workers: int,
) -> Iterator[list[TextFeature]]:
    """Read the text on screen of the clips that are asked about, where a prompt names it and it is not known yet."""
    yield []
    if "screen_text" in wanted_inputs(prompts, champion_of, options, label):
        asked = chosen[chosen["use"] != Use.SHOWN]
        yield from read_missing_screens(asked, known, label.llm, workers)


def prepare_development(
    chosen: pd.DataFrame,
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    resolved: ResolvedCapabilities,
    prompts: dict[str, str],
    champion_of: ChampionOf,
    screens: dict[str, str],
    features: FeatureStore,
    options: PromptsOptions,
    label: LabelOptions,
    extractors: FeatureOptions,
) -> Development:
    """Put together what the lab works on, with all that any of its prompts wants to be told of a clip."""
    name, capability = options.capability, resolved.active[options.capability]
    priors = class_priors(clips, _knowledge(clips, annotations, resolved, label), name, capability)
    inputs_of = partial(
        clip_inputs,
        wanted=wanted_inputs(prompts, champion_of, options, label),
        extracted=Extracted(screens, features, build_all(extractors)["frames"].identity),
        options=label.llm,
        pictures=True,
    )
    return build_development(chosen, priors, capability, inputs_of, options, label)


def ask_for_search(
    development: Development,
    prompts: dict[str, str],
    known: Known,
    options: PromptsOptions,
    label: LabelOptions,
    seed: int,
) -> Iterator[list[TimedCall]]:
    """Ask what the search for a better prompt wants to know."""
    yield []
    if steps := search_steps(development, prompts, options.search, options.shots, label.llm, seed):
        yield from ask_search(steps, known, label.llm)


def find_prompt(
    development: Development,
    prompts: dict[str, str],
    known: Known,
    options: PromptsOptions,
    label: LabelOptions,
    seed: int,
) -> list[Found]:
    """Give the prompt that the search found; none without a search."""
    steps = search_steps(development, prompts, options.search, options.shots, label.llm, seed)
    return [conclude_search(steps, known.answers)] if steps else []


def plan_trials(
    development: Development,
    prompts: dict[str, str],
    champion_of: ChampionOf,
    found: list[Found],
    options: PromptsOptions,
    label: LabelOptions,
) -> list[Trial]:
    """Plan all that is measured; the first is what labels now."""
    present = _present(development, prompts, champion_of, label)
    others = [one.recipe.model_copy(update={"prompt": "searched"}) for one in found]
    return build_trials(development, prompts, present, others, options, label.llm)


def ask_trials(trials: list[Trial], known: Known, label: LabelOptions) -> Iterator[list[TimedCall]]:
    """Get the answers that are not stored yet, a few at a time."""
    yield []
    yield from answer_timed(blocks(trials), known.answers, label.llm.client)


def measure_trials(
    trials: list[Trial],
    development: Development,
    known: Known,
    options: PromptsOptions,
    label: LabelOptions,
    seed: int,
) -> list[Measured]:
    """Compare the answers with people's labels."""
    return [measure(trial, development, known, label.llm.client, options, seed) for trial in trials]


def choose_prompt(
    measured: list[Measured],
    development: Development,
    found: list[Found],
    options: PromptsOptions,
    label: LabelOptions,
    seed: int,
) -> tuple[Recipe, dict[str, Any]]:
    """Choose by a paired test, and put all results together."""
    base_rate, compared = against_base_rate(measured, development, options, seed)
    chosen, decision, rows = choose(compared, options.alpha)
    results = {
        "capability": options.capability,
        "kind": development.task.capability.kind.value,
        "client": client_kind(label.llm.client).identity(label.llm.client),
        "clips": {
            "measured": len(development.measured),
            "examples": len(development.pool),
            "searched": len(development.searched),
        },
        "classes": list(development.task.capability.classes),
        "base_rate": base_rate,
        "decision": decision,
        "trials": rows,
        "search": [asdict(turn) for one in found for turn in one.rounds],
    }
    for line in in_words(results):
        _log.info(line)
    return chosen.recipe, results


def render_prompts_page(results: dict[str, Any]) -> str:
    """Write the page about the prompt lab."""
    return prompts_page(results)


def register_prompts(recipe: Recipe, results: dict[str, Any], page: str, prompts: dict[str, str]) -> dict[str, str]:
    """Track each trial as a nested run, put all prompts into the registry, and name the champion.

    Returns:
        Name of a prompt -> its version in the registry; `champion` is the champion's.
    """
    from cu_pipeline.tracking import prompt_registry, prompt_runs

    prompt_runs.track(results, png(quality_and_cost(results)), page)
    capability, used = results["capability"], {row["prompt"] for row in results["trials"]}
    versions = {
        name: prompt_registry.register_template(capability, name, template)
        for name, template in prompts.items()
        if name in used
    }
    reason = results["decision"]["reason"]
    return versions | {"champion": prompt_registry.promote(capability, recipe, results["client"], reason)}


def _knowledge(
    clips: pd.DataFrame, annotations: pd.DataFrame, resolved: ResolvedCapabilities, label: LabelOptions
) -> pd.DataFrame:
    """Give what people said of all clips but those on which machine labels are certified."""
    active = resolved.active
    return prior_knowledge(annotations, calibration_clips(clips, annotations, active, label.guarantee, label.people))


def _present(development: Development, prompts: dict[str, str], champion_of: ChampionOf, label: LabelOptions) -> Recipe:
    """Give the champion, or where there is none that fits what the parameters of label say."""
    task, llm = development.task, label.llm
    champion = champion_of(task.name)
    if champion and champion.client == client_kind(llm.client).identity(llm.client):
        why = misfit(champion.recipe, task.capability)
        if not why:
            return champion.recipe
        _log.warning("%s: the champion is left out: %s", task.name, why)
    wanted = llm.model_copy(update={"enabled": True, "kinds": (task.capability.kind,)})
    recipes = resolve_recipes({task.name: task.capability}, prompts, lambda _: None, lambda _: development.pool, wanted)
    return recipes[task.name]
