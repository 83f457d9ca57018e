import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.counters import count
from cu_pipeline.core.records import ANNOTATIONS, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.labeling import resolve
from cu_pipeline.labeling.aggregation import aggregate
from cu_pipeline.labeling.bill import bill, priced
from cu_pipeline.labeling.copies import without_copies
from cu_pipeline.labeling.costs import Books, ledger_in_words, summarise
from cu_pipeline.labeling.guarantee.calibration import calibration_clips
from cu_pipeline.labeling.guarantee.certification import Opinions
from cu_pipeline.labeling.guarantee.eligibility import everything_offered
from cu_pipeline.labeling.guarantee.in_turn import asked
from cu_pipeline.labeling.guarantee.keep import keep_promise
from cu_pipeline.labeling.guarantee.results import Trial
from cu_pipeline.labeling.inquiry import Inquiry
from cu_pipeline.labeling.ledger import new_entries
from cu_pipeline.labeling.options import LabelOptions
from cu_pipeline.labeling.people.annotators import annotator_tables, in_words
from cu_pipeline.labeling.people.answers import paid_answers, unused_batches
from cu_pipeline.labeling.people.asked import asked_capabilities
from cu_pipeline.labeling.people.batches import review_batches
from cu_pipeline.labeling.people.label_errors import suspect_labels
from cu_pipeline.labeling.people.queue import plan_queue
from cu_pipeline.labeling.people.records import Decided, Opened, PersonAnswer
from cu_pipeline.labeling.people.tasks import Task
from cu_pipeline.labeling.sources.rules import annotate_by_rules
from cu_pipeline.pipelines.label.champions import annotate_by_champions
from cu_pipeline.pipelines.label.questions import model_identity
from cu_pipeline.pipelines.label.versions import all_rules, machine_versions
from cu_pipeline.prompting.client import Answer

_log = logging.getLogger(__name__)


def resolve_capabilities(annotations: pd.DataFrame, capabilities: Capabilities) -> ResolvedCapabilities:
    """Decide which capabilities the feed can teach, and with which classes."""
    return resolve.resolve_capabilities(annotations, capabilities)


def choose_calibration(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    people_annotations: list[PersonAnswer],
    resolved: ResolvedCapabilities,
    options: LabelOptions,
) -> pd.DataFrame:
    """Choose the clips, labelled by people, on which machines are tested."""
    active = resolved.active
    arrived = [answer.clip_id for answer in people_annotations]
    return calibration_clips(clips, annotations, active, options.guarantee, options.people, arrived)


def annotate_with_rules(
    clips: pd.DataFrame, resolved: ResolvedCapabilities, functions: Path, options: LabelOptions
) -> pd.DataFrame:
    """Ask the rules of the parameters and of the rules file about every clip that is no copy."""
    return annotate_by_rules(all_rules(options, functions), without_copies(clips), resolved.active, resolved.skipped)


def annotate_with_champions(
    clips: pd.DataFrame, resolved: ResolvedCapabilities, champions: Path, features: FeatureStore, options: LabelOptions
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Let the served models label the clips that they have not learned from; give also what they were not offered."""
    if not options.champion.enabled:
        return table([], ANNOTATIONS), everything_offered()
    active = resolved.active
    return annotate_by_champions(without_copies(clips), champions, features, active, options.champion.price)


def gather_omissions(champions: pd.DataFrame, llm: pd.DataFrame) -> pd.DataFrame:
    """Give the clips that any machine was not offered."""
    return pd.concat([champions, llm], ignore_index=True)


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
    resolved: ResolvedCapabilities,
    functions: Path,
    tests: list[dict[str, Any]],
    options: LabelOptions,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Decide which machine labels keep the promise; give new tests for the account, and what holds and why."""
    active = resolved.active
    versions = machine_versions(clips, opinions, calibration, active, functions, options)
    made, guarantee = keep_promise(
        Opinions(clips, opinions, calibration, versions, not_offered=passed),
        active,
        [Trial.from_json(record) for record in tests],
        options.guarantee,
        options.people.price,
        asked(inquiries, answers, model_identity(inquiries, options)),
    )
    for found in guarantee.values():
        _log.info(found["words"])
    return [trial.as_json() for trial in made], guarantee


def aggregate_labels(
    clips: pd.DataFrame,
    opinions: pd.DataFrame,
    passed: pd.DataFrame,
    guarantee: dict[str, Any],
    resolved: ResolvedCapabilities,
    options: LabelOptions,
) -> pd.DataFrame:
    """Add all annotations up to labels and say what they cost."""
    capabilities = resolved.active
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
    identity = model_identity(inquiries, options)
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
    resolved: ResolvedCapabilities,
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
    clips: pd.DataFrame, annotations: pd.DataFrame, resolved: ResolvedCapabilities, options: LabelOptions, seed: int
) -> dict[str, Any]:
    """List people's labels that are most likely wrong."""
    active = resolved.active
    return suspect_labels(clips, annotations, active, options.people, options.errors, seed)


def summarise_labels(
    clips: pd.DataFrame,
    opinions: pd.DataFrame,
    labels: pd.DataFrame,
    ledger: pd.DataFrame,
    guarantee: dict[str, Any],
    people_batches: list[Opened | Decided],
    people_annotations: list[PersonAnswer],
    resolved: ResolvedCapabilities,
    options: LabelOptions,
) -> dict[str, Any]:
    """Say what labels cost by source, what of it is not used, and how far sources agree."""
    unused = unused_batches(review_batches(people_batches, people_annotations))
    books = Books(clips, opinions, labels, ledger, guarantee, unused)
    summary = summarise(books, resolved.active, options.people)
    for line in ledger_in_words(summary):
        _log.info(line)
    return summary


def measure_agreement(
    clips: pd.DataFrame, annotations: pd.DataFrame, resolved: ResolvedCapabilities, options: LabelOptions, seed: int
) -> dict[str, Any]:
    """Say how far people agree, how good each of them is, and whose answers are of no use."""
    tables = annotator_tables(clips, annotations, resolved.active, options.people, seed)
    for line in in_words(tables):
        _log.info(line)
    return tables
