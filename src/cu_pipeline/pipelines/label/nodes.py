import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.counters import count
from cu_pipeline.core.records import ANNOTATIONS, table
from cu_pipeline.core.resolved import active_capabilities
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.features.text_log import TextFeature
from cu_pipeline.labeling import recipes, resolve
from cu_pipeline.labeling.aggregate import aggregate
from cu_pipeline.labeling.annotators import annotator_tables, in_words
from cu_pipeline.labeling.bill import bill, priced
from cu_pipeline.labeling.copies import on_originals, originals, without_copies
from cu_pipeline.labeling.examples import people_captions, training_pool
from cu_pipeline.labeling.in_turn import asked, spare
from cu_pipeline.labeling.inputs import Extracted, reads_screens
from cu_pipeline.labeling.inquiry import Inquiry, askable, choose_clips, plan_inquiries
from cu_pipeline.labeling.label_errors import suspect_labels
from cu_pipeline.labeling.ledger import new_entries
from cu_pipeline.labeling.llm import annotate
from cu_pipeline.labeling.options import LabelOptions
from cu_pipeline.labeling.promise.calibration import calibration_clips, prior_knowledge, waiting_for_machines
from cu_pipeline.labeling.promise.case import Opinions
from cu_pipeline.labeling.promise.keep import keep_promise
from cu_pipeline.labeling.promise.offers import Omission, everything_offered, not_offered
from cu_pipeline.labeling.promise.trial import Trial
from cu_pipeline.labeling.promise.turns import certified_unasked
from cu_pipeline.labeling.queue.answers import paid_answers, unused_batches
from cu_pipeline.labeling.queue.asked import asked_capabilities
from cu_pipeline.labeling.queue.batches import review_batches
from cu_pipeline.labeling.queue.records import Decided, Opened, PersonAnswer
from cu_pipeline.labeling.queue.select import plan_queue
from cu_pipeline.labeling.recipes import ChampionOf
from cu_pipeline.labeling.rules.annotate import annotate_by_rules
from cu_pipeline.labeling.screens import read_missing_screens
from cu_pipeline.labeling.studio.tasks import Task
from cu_pipeline.labeling.summary import Books, ledger_in_words, summarise
from cu_pipeline.pipelines.label.champions import annotate_by_champions
from cu_pipeline.pipelines.label.versions import all_rules, machine_versions
from cu_pipeline.prompting.answer import answer
from cu_pipeline.prompting.call_log import Call
from cu_pipeline.prompting.client import Answer
from cu_pipeline.prompting.clients import client_kind
from cu_pipeline.prompting.few_shot import Pool
from cu_pipeline.prompting.recipe import Recipe

_log = logging.getLogger(__name__)


def resolve_capabilities(annotations: pd.DataFrame, capabilities: Capabilities) -> dict[str, Any]:
    """Decide which capabilities the feed can teach, and with which classes."""
    return resolve.resolve_capabilities(annotations, capabilities)


def choose_calibration(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    people_annotations: list[PersonAnswer],
    resolved: dict[str, Any],
    options: LabelOptions,
) -> pd.DataFrame:
    """Choose the clips, labelled by people, on which machines are tested."""
    active = active_capabilities(resolved)
    arrived = [answer.clip_id for answer in people_annotations]
    return calibration_clips(clips, annotations, active, options.guarantee, options.people, arrived)


def annotate_with_rules(
    clips: pd.DataFrame, resolved: dict[str, Any], functions: Path, options: LabelOptions
) -> pd.DataFrame:
    """Ask the rules of the parameters and of the rules file about every clip that is no copy."""
    return annotate_by_rules(
        all_rules(options, functions), without_copies(clips), active_capabilities(resolved), resolved["skipped"]
    )


def annotate_with_champions(
    clips: pd.DataFrame, resolved: dict[str, Any], champions: Path, features: FeatureStore, options: LabelOptions
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Let the served models label the clips that they have not learned from; give also what they were not offered."""
    if not options.champion.enabled:
        return table([], ANNOTATIONS), everything_offered()
    active = active_capabilities(resolved)
    return annotate_by_champions(without_copies(clips), champions, features, active, options.champion.price)


def resolve_recipes(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    calibration: pd.DataFrame,
    resolved: dict[str, Any],
    prompts: dict[str, str],
    champion_of: ChampionOf,
    options: LabelOptions,
) -> dict[str, Any]:
    """Decide with which prompt and method the language model labels each capability."""
    pool_of = partial(_pool, clips, prior_knowledge(annotations, calibration), resolved, options)
    found = recipes.resolve_recipes(active_capabilities(resolved), prompts, champion_of, pool_of, options.llm)
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
    labelled = waiting_for_machines(on_originals(annotations, originals(clips)), calibration)
    single = without_copies(clips)
    chosen, beyond = {}, [everything_offered()]
    for name, recipe in label_recipes.items():
        waiting = askable(single, labelled, name, Recipe.model_validate(recipe))
        first = frozenset(calibration.loc[calibration["capability"] == name, "clip_id"])
        chosen[name] = choose_clips(waiting, name, options.llm.max_clips, first)
        rest = waiting.loc[~waiting.index.isin(chosen[name].index), "clip_id"]
        beyond.append(not_offered(name, {Omission.LIMIT: rest}))
    return chosen, pd.concat(beyond, ignore_index=True)


def gather_omissions(champions: pd.DataFrame, llm: pd.DataFrame) -> pd.DataFrame:
    """Give the clips that any machine was not offered."""
    return pd.concat([champions, llm], ignore_index=True)


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
    resolved: dict[str, Any],
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
    return plan_inquiries(chosen, active_capabilities(resolved), given, pool_of, extracted, options.llm)


def spare_llm_questions(
    inquiries: list[Inquiry],
    known: dict[str, Answer],
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    rules: pd.DataFrame,
    champions: pd.DataFrame,
    passed: pd.DataFrame,
    calibration: pd.DataFrame,
    resolved: dict[str, Any],
    functions: Path,
    tests: list[dict[str, Any]],
    options: LabelOptions,
) -> list[Inquiry]:
    """Leave out the questions about clips whose label cheaper machines have certified already."""
    active = active_capabilities(resolved)
    identity = _identity(inquiries, options)
    opinions = Opinions(
        clips,
        pd.concat([annotations, rules, champions], ignore_index=True),
        calibration,
        machine_versions(clips, annotations, calibration, active, functions, options),
        {one.capability: one.version(identity) for one in inquiries},
        passed,
    )
    earlier = [Trial.from_json(record) for record in tests]
    return spare(inquiries, certified_unasked(opinions, active, earlier, options.guarantee), known, identity)


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
    resolved: dict[str, Any],
    options: LabelOptions,
) -> pd.DataFrame:
    """Turn the language model's answers into annotations."""
    known = prior_knowledge(annotations, calibration)
    return annotate(inquiries, answers, clips, known, active_capabilities(resolved), options.llm)


def gather_opinions(
    annotations: pd.DataFrame, rules: pd.DataFrame, champions: pd.DataFrame, llm: pd.DataFrame, options: LabelOptions
) -> pd.DataFrame:
    """Give the annotations of all sources, each with its price."""
    everyone = pd.concat([annotations, rules, champions, llm], ignore_index=True)
    return priced(everyone, options.people.price)


def certify_labels(
    clips: pd.DataFrame,
    opinions: pd.DataFrame,
    passed: pd.DataFrame,
    calibration: pd.DataFrame,
    inquiries: list[Inquiry],
    answers: dict[str, Answer],
    resolved: dict[str, Any],
    functions: Path,
    tests: list[dict[str, Any]],
    options: LabelOptions,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Decide which machine labels keep the promise; give new tests for the account, and what holds and why."""
    active = active_capabilities(resolved)
    versions = machine_versions(clips, opinions, calibration, active, functions, options)
    made, guarantee = keep_promise(
        Opinions(clips, opinions, calibration, versions, not_offered=passed),
        active,
        [Trial.from_json(record) for record in tests],
        options.guarantee,
        options.people.price,
        asked(inquiries, answers, _identity(inquiries, options)),
    )
    for found in guarantee.values():
        _log.info(found["words"])
    return [trial.as_json() for trial in made], guarantee


def aggregate_labels(
    clips: pd.DataFrame,
    opinions: pd.DataFrame,
    passed: pd.DataFrame,
    guarantee: dict[str, Any],
    resolved: dict[str, Any],
    options: LabelOptions,
) -> pd.DataFrame:
    """Add all annotations up to labels and say what they cost."""
    capabilities = active_capabilities(resolved)
    labels = aggregate(clips, opinions, capabilities, guarantee, options.people, passed)
    for line in bill(labels, opinions, len(clips), capabilities):
        _log.info(line)
    return labels


def write_ledger(
    clips: pd.DataFrame,
    opinions: pd.DataFrame,
    inquiries: list[Inquiry],
    answers: dict[str, Answer],
    people_batches: list[Opened | Decided],
    people_annotations: list[PersonAnswer],
    ledger: pd.DataFrame,
    options: LabelOptions,
) -> pd.DataFrame:
    """Give the ledger entries of annotations, and of people's answers used or not, that are not in it yet."""
    identity = _identity(inquiries, options)
    tokens = {
        (inquiry.capability, clip): answers[question.key(identity)].tokens
        for inquiry in inquiries
        for clip, question in inquiry.clips.items()
        if question.key(identity) in answers
    }
    paid = paid_answers(people_batches, people_annotations)
    entries = new_entries(opinions, paid, clips, tokens, ledger["key"], datetime.now(UTC))
    count("ledger_entries_added", len(entries))
    return entries


def queue_clips(
    clips: pd.DataFrame,
    duplicates: pd.DataFrame,
    opinions: pd.DataFrame,
    labels: pd.DataFrame,
    resolved: dict[str, Any],
    people_batches: list[Opened | Decided],
    people_annotations: list[PersonAnswer],
    capabilities: Capabilities,
    options: LabelOptions,
) -> list[Task]:
    """Choose the clips that people should label next, most useful first."""
    reviews = review_batches(people_batches, people_annotations)
    asked = asked_capabilities(resolved, capabilities.root)
    return plan_queue(clips, duplicates, opinions, labels, asked, reviews, options)


def find_label_errors(
    clips: pd.DataFrame, annotations: pd.DataFrame, resolved: dict[str, Any], options: LabelOptions, seed: int
) -> dict[str, Any]:
    """List people's labels that are most likely wrong."""
    active = active_capabilities(resolved)
    return suspect_labels(clips, annotations, active, options.people, options.errors, seed)


def summarise_labels(
    clips: pd.DataFrame,
    opinions: pd.DataFrame,
    labels: pd.DataFrame,
    ledger: pd.DataFrame,
    guarantee: dict[str, Any],
    people_batches: list[Opened | Decided],
    people_annotations: list[PersonAnswer],
    resolved: dict[str, Any],
    options: LabelOptions,
) -> dict[str, Any]:
    """Say what labels cost by source, what of it is not used, and how far sources agree."""
    unused = unused_batches(review_batches(people_batches, people_annotations))
    books = Books(clips, opinions, labels, ledger, guarantee, unused)
    summary = summarise(books, active_capabilities(resolved), options.people)
    for line in ledger_in_words(summary):
        _log.info(line)
    return summary


def measure_agreement(
    clips: pd.DataFrame, annotations: pd.DataFrame, resolved: dict[str, Any], options: LabelOptions, seed: int
) -> dict[str, Any]:
    """Say how far people agree, how good each of them is, and whose answers are of no use."""
    tables = annotator_tables(clips, annotations, active_capabilities(resolved), options.people, seed)
    for line in in_words(tables):
        _log.info(line)
    return tables


def _identity(inquiries: list[Inquiry], options: LabelOptions) -> str:
    """Give the language model's identity; "" where nothing is asked."""
    return client_kind(options.llm.client).identity(options.llm.client) if inquiries else ""


def _pool(
    clips: pd.DataFrame, annotations: pd.DataFrame, resolved: dict[str, Any], options: LabelOptions, name: str
) -> Pool:
    """Give a capability's labelled training captions."""
    capability = active_capabilities(resolved)[name]
    captions = people_captions(clips, annotations, name, capability, options.people)
    return training_pool(captions, recipes.task_of(name, capability, options.llm), len(captions))
