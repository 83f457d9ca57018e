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
from cu_pipeline.labeling.copies import without_copies
from cu_pipeline.labeling.costs import bill, money_messages, summarise
from cu_pipeline.labeling.guarantee.calibration import calibration_clips
from cu_pipeline.labeling.guarantee.cascade import asked, certified_unasked, llm_versions, spare
from cu_pipeline.labeling.guarantee.opinions import Opinions, priced
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions
from cu_pipeline.labeling.guarantee.report import Guarantee, certify_capabilities
from cu_pipeline.labeling.guarantee.results import CertificationTest
from cu_pipeline.labeling.ledger import new_entries
from cu_pipeline.labeling.options import ChampionOptions
from cu_pipeline.labeling.people.agreement import agreement_messages, annotator_tables
from cu_pipeline.labeling.people.batches import paid_answers, review_batches, unused_batches
from cu_pipeline.labeling.people.label_errors import suspect_labels
from cu_pipeline.labeling.people.options import ErrorOptions, PeopleOptions, QueueOptions
from cu_pipeline.labeling.people.queue import QueueTerms, plan_queue
from cu_pipeline.labeling.people.records import Decided, Opened, PersonAnswer
from cu_pipeline.labeling.people.tasks import Task
from cu_pipeline.labeling.sources.models import annotate_by_champions
from cu_pipeline.labeling.sources.options import AnyRule
from cu_pipeline.labeling.sources.rules import annotate_by_rules, load_rules
from cu_pipeline.llm.clients.protocol import Answer
from cu_pipeline.llm.labels.options import LlmOptions
from cu_pipeline.llm.labels.questions import Inquiry
from cu_pipeline.models.bundle import Bundle

_log = logging.getLogger(__name__)


def resolve_capabilities(annotations: pd.DataFrame, capabilities: Capabilities) -> ResolvedCapabilities:
    """Decide which capabilities the feed can teach, and with which classes."""
    return resolve.resolve_capabilities(annotations, capabilities)


def choose_calibration(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    people_annotations: list[PersonAnswer],
    resolved: ResolvedCapabilities,
    guarantee: GuaranteeOptions,
    people: PeopleOptions,
) -> tuple[pd.DataFrame, Opinions]:
    """Choose the clips, labelled by people, on which other sources are tested.

    Returns:
        Their table, and what people say of all clips, to which the nodes after this one add what other sources say.
    """
    arrived = [answer.clip_id for answer in people_annotations]
    drawn = calibration_clips(clips, annotations, resolved.active, guarantee, people, arrived)
    return drawn, Opinions(clips, resolved, priced(annotations, people.price), drawn, guarantee, people.price)


def annotate_with_rules(
    opinions: Opinions, functions: Path, rules: tuple[AnyRule, ...]
) -> tuple[pd.DataFrame, Opinions]:
    """Ask the rules of the parameters and of the rules file about every clip that is no copy."""
    everyone = [*rules, *load_rules(functions)]
    clips, skipped = without_copies(opinions.clips), opinions.capabilities.skipped
    said = annotate_by_rules(everyone, clips, opinions.active, skipped)
    versions = {name: [rule.version for rule in everyone if rule.capability == name] for name in opinions.active}
    return said, opinions.heard(said).decided_by(versions)


def annotate_with_champions(
    opinions: Opinions, champions: dict[str, Bundle], features: FeatureStore, options: ChampionOptions
) -> tuple[pd.DataFrame, Opinions]:
    """Let the served models label the clips that they have not learned from."""
    if not options.enabled:
        return table([], ANNOTATIONS), opinions

    clips = without_copies(opinions.clips)
    said, ineligible = annotate_by_champions(clips, champions, features, opinions.active, options.price)
    return said, opinions.heard(said, ineligible)


def spare_llm_questions(
    inquiries: list[Inquiry],
    known: dict[str, Answer],
    opinions: Opinions,
    ineligible: pd.DataFrame,
    tests: list[CertificationTest],
    options: LlmOptions,
) -> tuple[list[Inquiry], Opinions]:
    """Leave out the questions about clips whose label sources before the language model have certified already.

    This is a stage of the cascade: another language model, dearer than this one, would be another such node behind
    `annotate_with_llm`, with its own options and the opinions that this one's answers were added to.
    """
    versions = {one.capability: one.version() for one in inquiries}
    parts = llm_versions(opinions.clips, opinions.known, opinions.active, options)
    awaiting = opinions.awaiting(versions, options.client.chosen.model, parts, ineligible)
    certified = certified_unasked(awaiting, tests, options.client.chosen.model)
    return spare(inquiries, certified, known), awaiting


def certify_labels(
    opinions: Opinions,
    said: pd.DataFrame,
    inquiries: list[Inquiry],
    answers: dict[str, Answer],
    tests: list[CertificationTest],
    options: LlmOptions,
) -> tuple[Opinions, list[CertificationTest], dict[str, Guarantee]]:
    """Decide which labels keep the guarantee, once the language model has answered.

    Returns:
        What everybody says, new tests for the account, and what holds and why.
    """
    far = asked(inquiries, answers)
    everybody = opinions.answered(said, options.client.chosen.model, far)
    made, guarantee = certify_capabilities(everybody, tests)
    for found in guarantee.values():
        _log.info(found.message)
    return everybody, made, guarantee


def aggregate_labels(opinions: Opinions, guarantee: dict[str, Guarantee], people: PeopleOptions) -> pd.DataFrame:
    """Add all annotations up to labels and say what they cost."""
    labels = aggregate(opinions, guarantee, people)
    for line in bill(labels, opinions):
        _log.info(line)
    return labels


def write_ledger(
    opinions: Opinions,
    people_batches: list[Opened | Decided],
    people_annotations: list[PersonAnswer],
    ledger: pd.DataFrame,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Enter annotations, and people's answers used or not, that are not in the ledger yet.

    Returns:
        The new entries, and batch -> what became of it, for those whose answers are not used.
    """
    tokens = {
        (capability, model, clip): number
        for capability, models in opinions.asked.items()
        for model, one in models.items()
        for clip, number in one.tokens.items()
    }
    paid = paid_answers(people_batches, people_annotations)
    entries = new_entries(opinions.annotations, paid, opinions.clips, tokens, ledger["key"], datetime.now(UTC))
    count("ledger_entries_added", len(entries))
    return entries, unused_batches(review_batches(people_batches, people_annotations))


def queue_clips(
    opinions: Opinions,
    duplicates: pd.DataFrame,
    labels: pd.DataFrame,
    people_batches: list[Opened | Decided],
    people_annotations: list[PersonAnswer],
    options: QueueOptions,
) -> list[Task]:
    """Choose the clips that people should label next, most useful first."""
    reviews = review_batches(people_batches, people_annotations)
    terms = QueueTerms(options, opinions.human_price)
    return plan_queue(opinions.clips, duplicates, opinions.annotations, labels, opinions.active, reviews, terms)


def find_label_errors(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    resolved: ResolvedCapabilities,
    people: PeopleOptions,
    options: ErrorOptions,
    seed: int,
) -> dict[str, Any]:
    """List people's labels that are most likely wrong."""
    return suspect_labels(clips, annotations, resolved.active, people, options, seed)


def summarise_labels(
    opinions: Opinions,
    labels: pd.DataFrame,
    ledger: pd.DataFrame,
    guarantee: dict[str, Guarantee],
    unused: dict[str, str],
    people: PeopleOptions,
) -> dict[str, Any]:
    """Say what labels cost by source, what of it is not used, and how far sources agree."""
    summary = summarise(opinions, labels, ledger, guarantee, unused, people)
    for line in money_messages(summary):
        _log.info(line)
    return summary


def measure_agreement(
    clips: pd.DataFrame, annotations: pd.DataFrame, resolved: ResolvedCapabilities, people: PeopleOptions, seed: int
) -> dict[str, Any]:
    """Say how far people agree, how good each of them is, and whose answers are of no use."""
    tables = annotator_tables(clips, annotations, resolved.active, people, seed)
    for line in agreement_messages(tables):
        _log.info(line)
    return tables
