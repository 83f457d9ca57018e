"""The nodes that ask the language model."""

from collections.abc import Iterator
from itertools import groupby

import pandas as pd

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.counters import count
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.features.extractor import FeatureChunk
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.labeling.copies import on_originals, originals, without_copies
from cu_pipeline.labeling.examples import people_captions
from cu_pipeline.labeling.guarantee.calibration import hide_calibration, prior_knowledge
from cu_pipeline.labeling.people.options import PeopleOptions
from cu_pipeline.labeling.priors import class_priors
from cu_pipeline.labeling.sources.eligibility import Ineligible, all_eligible, ineligible_clips
from cu_pipeline.llm.clients.call_log import Call
from cu_pipeline.llm.clients.dispatch import ask_model
from cu_pipeline.llm.clients.protocol import Answer
from cu_pipeline.llm.labels import recipes
from cu_pipeline.llm.labels.annotate import annotate
from cu_pipeline.llm.labels.options import LlmOptions
from cu_pipeline.llm.labels.questions import ClipsToAsk, Inquiry, askable, choose_clips, plan_inquiries
from cu_pipeline.llm.labels.recipes import Background, ChampionOf
from cu_pipeline.llm.methods.few_shot import Pool, training_pool
from cu_pipeline.llm.methods.recipe import Recipe
from cu_pipeline.llm.prompts.inputs import Extracted, read_missing_screens


def gather_llm_background(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    calibration: pd.DataFrame,
    resolved: ResolvedCapabilities,
    people: PeopleOptions,
    options: LlmOptions,
) -> dict[str, Background]:
    """Gather what people's labels, but those of calibration clips, tell the language model: priors and examples."""
    known = prior_knowledge(annotations, calibration)
    found = {}
    for name, capability in recipes.labelled_capabilities(resolved.active, options).items():
        task, pool = recipes.task_of(name, capability, options), Pool()
        if recipes.may_show_examples(options):
            pool = training_pool(people_captions(clips, known, name, capability, people), task)
        found[name] = Background(task, class_priors(clips, known, name, capability), pool)
    return found


def resolve_recipes(
    backgrounds: dict[str, Background], prompts: dict[str, str], champion_of: ChampionOf, options: LlmOptions
) -> dict[str, Recipe]:
    """Decide with which prompt and method the language model labels each capability."""
    return recipes.resolve_recipes(backgrounds, prompts, champion_of, options)


def choose_llm_clips(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    calibration: pd.DataFrame,
    label_recipes: dict[str, Recipe],
    options: LlmOptions,
) -> tuple[dict[str, ClipsToAsk], pd.DataFrame]:
    """Choose for each capability the clips that the language model is asked about, calibration clips before all others.

    Besides, give those that are left out beyond the limit.
    """
    labelled = hide_calibration(on_originals(annotations, originals(clips)), calibration)
    single = without_copies(clips)
    chosen, beyond = {}, [all_eligible()]
    for name, recipe in label_recipes.items():
        waiting = askable(single, labelled, name, recipe)
        first = frozenset(calibration.loc[calibration["capability"] == name, "clip_id"])
        chosen[name] = ClipsToAsk(recipe, choose_clips(waiting, name, options.max_clips, first))
        rest = waiting.loc[~waiting.index.isin(chosen[name].clips.index), "clip_id"]
        beyond.append(ineligible_clips(name, {Ineligible.LIMIT: rest}))
    return chosen, pd.concat(beyond, ignore_index=True)


def read_screen_texts(
    chosen: dict[str, ClipsToAsk], store: FeatureStore, earlier: dict[str, str], options: LlmOptions, workers: int
) -> Iterator[FeatureChunk]:
    """Read the text on screen of the chosen clips, where a prompt names it and it is not known yet."""
    if wanted := [one.clips for one in chosen.values() if "screen_text" in one.recipe.required]:
        yield from read_missing_screens(pd.concat(wanted), store, earlier, options, LocalMapper(workers))


def plan_llm_questions(
    chosen: dict[str, ClipsToAsk],
    backgrounds: dict[str, Background],
    screens: FeatureStore,
    features: FeatureStore,
    options: LlmOptions,
    extractors: FeatureOptions,
) -> list[Inquiry]:
    """Write the questions to the language model about the chosen clips."""
    extracted = Extracted.of(screens, features, build_all(extractors).values())
    return plan_inquiries(chosen, backgrounds, extracted, options)


def ask_llm(inquiries: list[Inquiry], known: dict[str, Answer]) -> Iterator[list[Call]]:
    """Get the answers that are not stored yet, a few at a time, of one model after the other."""
    yield []
    for name in ("calls", "cache_hits", "tokens", "unanswered"):
        count(f"llm_{name}", 0)
    for model, mine in groupby(inquiries, key=lambda one: one.model):
        yield from ask_model([question for one in mine for question in one.questions], known, model.client)


def annotate_with_llm(
    inquiries: list[Inquiry], answers: dict[str, Answer], backgrounds: dict[str, Background]
) -> pd.DataFrame:
    """Turn the language model's answers into annotations."""
    return annotate(inquiries, answers, backgrounds)
