"""The nodes that ask the language model."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pandas as pd

from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.features.text_log import TextFeature
from cu_pipeline.labeling import recipes
from cu_pipeline.labeling.copies import on_originals, originals, without_copies
from cu_pipeline.labeling.examples import people_captions, training_pool
from cu_pipeline.labeling.guarantee.calibration import hide_calibration, prior_knowledge
from cu_pipeline.labeling.inputs import Extracted, reads_screens
from cu_pipeline.labeling.inquiry import Inquiry, askable, choose_clips, plan_inquiries
from cu_pipeline.labeling.llm import annotate
from cu_pipeline.labeling.options import LabelOptions
from cu_pipeline.labeling.recipes import ChampionOf
from cu_pipeline.labeling.screens import read_missing_screens
from cu_pipeline.labeling.sources.eligibility import Ineligible, all_eligible, ineligible_clips
from cu_pipeline.prompting.answer import answer
from cu_pipeline.prompting.call_log import Call
from cu_pipeline.prompting.client import Answer
from cu_pipeline.prompting.few_shot import Pool
from cu_pipeline.prompting.recipe import Recipe


def resolve_recipes(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    calibration: pd.DataFrame,
    resolved: ResolvedCapabilities,
    prompts: dict[str, str],
    champion_of: ChampionOf,
    options: LabelOptions,
) -> dict[str, Any]:
    """Decide with which prompt and method the language model labels each capability."""
    pool_of = partial(_pool, clips, prior_knowledge(annotations, calibration), resolved, options)
    found = recipes.resolve_recipes(resolved.active, prompts, champion_of, pool_of, options.llm)
    return {name: recipe.model_dump(mode="json") for name, recipe in found.items()}


def choose_llm_clips(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    calibration: pd.DataFrame,
    label_recipes: dict[str, Any],
    options: LabelOptions,
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Choose for each capability the clips that the language model is asked about, calibration clips before all others.

    Besides, give those that are left out beyond the limit.
    """
    labelled = hide_calibration(on_originals(annotations, originals(clips)), calibration)
    single = without_copies(clips)
    chosen, beyond = {}, [all_eligible()]
    for name, recipe in label_recipes.items():
        waiting = askable(single, labelled, name, Recipe.model_validate(recipe))
        first = frozenset(calibration.loc[calibration["capability"] == name, "clip_id"])
        chosen[name] = choose_clips(waiting, name, options.llm.max_clips, first)
        rest = waiting.loc[~waiting.index.isin(chosen[name].index), "clip_id"]
        beyond.append(ineligible_clips(name, {Ineligible.LIMIT: rest}))
    return chosen, pd.concat(beyond, ignore_index=True)


def read_screen_texts(
    chosen: dict[str, pd.DataFrame],
    label_recipes: dict[str, Any],
    known: dict[str, str],
    options: LabelOptions,
    workers: int,
) -> Iterator[list[TextFeature]]:
    """Read the text on screen of the chosen clips, where a prompt names it and it is not known yet."""
    yield []
    wanted = [chosen[name] for name, recipe in label_recipes.items() if reads_screens(Recipe.model_validate(recipe))]
    if wanted:
        yield from read_missing_screens(pd.concat(wanted), known, options.llm, workers)


def plan_llm_questions(
    chosen: dict[str, pd.DataFrame],
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    calibration: pd.DataFrame,
    resolved: ResolvedCapabilities,
    label_recipes: dict[str, Any],
    screens: dict[str, str],
    features: FeatureStore,
    options: LabelOptions,
    extractors: FeatureOptions,
) -> list[Inquiry]:
    """Write the questions to the language model about the chosen clips."""
    given = {name: Recipe.model_validate(recipe) for name, recipe in label_recipes.items()}
    pool_of = partial(_pool, clips, prior_knowledge(annotations, calibration), resolved, options)
    extracted = Extracted(screens, features, build_all(extractors)["frames"].identity)
    return plan_inquiries(chosen, resolved.active, given, pool_of, extracted, options.llm)


def ask_llm(inquiries: list[Inquiry], known: dict[str, Answer], options: LabelOptions) -> Iterator[list[Call]]:
    """Get the answers that are not stored yet, a few at a time."""
    yield []
    questions = [question for inquiry in inquiries for question in inquiry.questions]
    yield from answer(questions, known, options.llm.client)


def annotate_with_llm(
    inquiries: list[Inquiry],
    answers: dict[str, Answer],
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    calibration: pd.DataFrame,
    resolved: ResolvedCapabilities,
    options: LabelOptions,
) -> pd.DataFrame:
    """Turn the language model's answers into annotations."""
    known = prior_knowledge(annotations, calibration)
    return annotate(inquiries, answers, clips, known, resolved.active, options.llm)


def _pool(
    clips: pd.DataFrame, annotations: pd.DataFrame, resolved: ResolvedCapabilities, options: LabelOptions, name: str
) -> Pool:
    """Give a capability's labelled training captions."""
    capability = resolved.active[name]
    captions = people_captions(clips, annotations, name, capability, options.people)
    return training_pool(captions, recipes.task_of(name, capability, options.llm), len(captions))
