import logging
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.compute.engine import ComputeOptions, mapper_of
from cu_pipeline.core.capability import Kind
from cu_pipeline.core.multiple_tests import holm
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.evaluation.mcnemar import mcnemar
from cu_pipeline.evaluation.metrics import METRICS, ScoredClips
from cu_pipeline.features.extractor import FeatureChunk
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.labeling.guarantee.calibration_set import calibration_clips, prior_knowledge
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions
from cu_pipeline.labeling.people.options import PeopleOptions
from cu_pipeline.labeling.priors import class_priors, people_captions
from cu_pipeline.llm.clients.call_log import Known, TimedCall
from cu_pipeline.llm.clients.dispatch import LanguageModel, ask_timed
from cu_pipeline.llm.clients.options import ClientOptions
from cu_pipeline.llm.lab.development import (
    Development,
    LabelledClips,
    PromptsOptions,
    Use,
    build_development,
    choose_labelled,
    first_measurable,
    possible_capabilities,
)
from cu_pipeline.llm.lab.measuring import Measured, Statistics, against_base_rate, choose, measure
from cu_pipeline.llm.lab.search import Found, ask_search, conclude_search, search_steps
from cu_pipeline.llm.lab.trials import Trial, blocks, build_trials
from cu_pipeline.llm.labels.options import LlmOptions
from cu_pipeline.llm.labels.recipes import Background, ChampionOf, resolve_recipes
from cu_pipeline.llm.methods.recipe import Recipe, misfit
from cu_pipeline.llm.prompts.inputs import Extracted, read_missing_screens
from cu_pipeline.reports.figures import png
from cu_pipeline.reports.prompts_page import in_words, quality_and_cost

_log = logging.getLogger(__name__)


def choose_labelled_clips(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    resolved: ResolvedCapabilities,
    options: PromptsOptions,
    people: PeopleOptions,
    guarantee: GuaranteeOptions,
) -> LabelledClips:
    """Choose the labelled clips that prompts are developed on; no test clip and no calibration clip is among them."""
    active = resolved.active
    possible = possible_capabilities(options, active)
    known = prior_knowledge(annotations, calibration_clips(clips, annotations, active, guarantee, people))
    captions = {one: people_captions(clips, known, one, active[one], people) for one in possible}
    name = first_measurable(captions, options)
    capability, rows = active[name], choose_labelled(captions[name], options)
    if others := [one for one in possible if one != name]:
        _log.info("the lab is about %s; prompts.capability chooses another: %s", name, ", ".join(others))
    used = rows["use"].value_counts()
    _log.info(
        "%s: measured on %d validation clips; %d training clips give examples, %d serve the search",
        name,
        *(used.get(use.value, 0) for use in (Use.MEASURED, Use.SHOWN, Use.SEARCHED)),
    )
    return LabelledClips(name, capability, rows, class_priors(clips, known, name, capability))


def read_labelled_screens(
    labelled: LabelledClips, required: frozenset[str], store: FeatureStore, llm: LlmOptions, compute: ComputeOptions
) -> Iterator[FeatureChunk]:
    """Read the text on screen of the clips that are asked about, where a prompt names it and it is not known yet."""
    if "screen_text" in required:
        yield from read_missing_screens(labelled.used(Use.MEASURED, Use.SEARCHED), store, {}, llm, mapper_of(compute))


def prepare_development(
    labelled: LabelledClips,
    required: frozenset[str],
    screens: FeatureStore,
    features: FeatureStore,
    llm: LlmOptions,
    extractors: FeatureOptions,
) -> Development:
    """Put together what the lab works on, with all that any of its prompts requires to be known of a clip."""
    extracted = Extracted.of(screens, features, build_all(extractors).values())
    return build_development(labelled, required, extracted, llm)


def ask_for_search(
    development: Development,
    prompts: dict[str, str],
    known: Known,
    options: PromptsOptions,
    llm: LlmOptions,
    seed: int,
) -> Iterator[list[TimedCall]]:
    """Ask what the search for a better prompt wants to know."""
    yield []
    if steps := search_steps(development, prompts, options.search, options.shots, llm, seed):
        yield from ask_search(steps, known, llm)


def find_prompt(
    development: Development,
    prompts: dict[str, str],
    known: Known,
    options: PromptsOptions,
    llm: LlmOptions,
    seed: int,
) -> list[Found]:
    """Find the prompt that the search is left with; none without a search."""
    steps = search_steps(development, prompts, options.search, options.shots, llm, seed)
    return [conclude_search(steps, known.answers)] if steps else []


def plan_trials(
    development: Development,
    prompts: dict[str, str],
    champion_of: ChampionOf,
    found: list[Found],
    options: PromptsOptions,
    llm: LlmOptions,
) -> list[Trial]:
    """Plan all that is measured; the first is what labels now."""
    present = _present(development, prompts, champion_of, llm)
    others = [one.recipe.model_copy(update={"prompt": "searched"}) for one in found]
    return build_trials(development, prompts, present, others, options, llm)


def ask_trials(trials: list[Trial], known: Known, client: ClientOptions) -> Iterator[list[TimedCall]]:
    """Get the answers that are not stored yet, a few at a time."""
    yield []
    yield from ask_timed(blocks(trials), known.answers, client)


def measure_trials(
    trials: list[Trial],
    development: Development,
    known: Known,
    options: PromptsOptions,
    client: ClientOptions,
    seed: int,
) -> list[Measured]:
    """Compare the answers with people's labels."""
    statistics = _statistics(options, seed)
    return [measure(trial, development, known, client, statistics) for trial in trials]


def choose_prompt(
    measured: list[Measured],
    development: Development,
    found: list[Found],
    options: PromptsOptions,
    client: ClientOptions,
    seed: int,
) -> tuple[Recipe, dict[str, Any]]:
    """Choose by a paired test, and put all results together."""
    statistics = _statistics(options, seed)
    base_rate, compared = against_base_rate(measured, development, options.alpha, statistics)
    chosen, decision, rows = choose(compared, options.alpha, statistics)
    results = {
        "capability": development.task.name,
        "kind": development.task.capability.kind.value,
        "client": LanguageModel.of(client).identity,
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


def register_prompts(recipe: Recipe, results: dict[str, Any], page: str, prompts: dict[str, str]) -> dict[str, str]:
    """Track each trial as a nested run, put all prompts into the registry, and name the champion.

    Returns:
        Name of a prompt -> its version in the registry; `champion` is the champion's.
    """
    from cu_pipeline.tracking import prompt_registry

    prompt_registry.log_trials(results, png(quality_and_cost(results)), page)
    capability, used = results["capability"], {row["prompt"] for row in results["trials"]}
    versions = {
        name: prompt_registry.register_template(capability, name, template)
        for name, template in prompts.items()
        if name in used
    }
    reason = results["decision"]["reason"]
    return versions | {"champion": prompt_registry.promote(capability, recipe, results["client"], reason)}


def _statistics(options: PromptsOptions, seed: int) -> Statistics:
    """Judge trials by the metrics and tests that judge models."""

    def metrics(
        kind: Kind, truth: NDArray[np.bool_], probabilities: NDArray[np.float64], decided: NDArray[np.bool_]
    ) -> dict[str, float]:
        answers = ScoredClips(kind, truth, probabilities, decided)
        return {name: METRICS[name].of(answers) or 0.0 for name in ("macro_f1", "ece")}

    return Statistics(metrics, mcnemar, holm, options.draws, seed)


def _present(development: Development, prompts: dict[str, str], champion_of: ChampionOf, llm: LlmOptions) -> Recipe:
    """Look up the champion, or where there is none that fits what the parameters of label say."""
    task = development.task
    champion = champion_of(task.name)
    if champion and champion.client == LanguageModel.of(llm.client).identity:
        why = misfit(champion.recipe, task.capability)
        if not why:
            return champion.recipe
        _log.warning("%s: the champion is left out: %s", task.name, why)
    background = Background(task, development.priors, development.pool)
    return resolve_recipes({task.name: background}, prompts, lambda _: None, llm)[task.name]
