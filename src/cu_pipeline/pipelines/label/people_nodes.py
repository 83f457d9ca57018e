import logging
from functools import partial
from typing import Any

import pandas as pd

from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.lean import below, in_order, last_of_each, rows_where
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.labeling.guarantee.calibration_set import drawn_by_feed
from cu_pipeline.labeling.guarantee.opinions import Opinions
from cu_pipeline.labeling.guarantee.outcome import Guarantee
from cu_pipeline.labeling.ledger import priced_by_feed
from cu_pipeline.labeling.people.annotator_quality import agreement_messages, annotator_tables
from cu_pipeline.labeling.people.batches import answered_clips, review_batches
from cu_pipeline.labeling.people.label_errors import suspect_labels
from cu_pipeline.labeling.people.options import ErrorOptions, PeopleOptions, QueueOptions
from cu_pipeline.labeling.people.queue import QueueTerms, plan_queue
from cu_pipeline.labeling.people.requests import LabelRequest, latest_requests
from cu_pipeline.labeling.people.tasks import Task
from cu_pipeline.labeling.people.vectors import stored_vectors
from cu_pipeline.labeling.people.work_log import BatchDecided, BatchOpened, PersonAnswer
from cu_pipeline.labeling.resolve import class_counts, rare_classes, rare_in_words

_log = logging.getLogger(__name__)


def keep_people_work() -> tuple[list[BatchOpened | BatchDecided], list[PersonAnswer], list[LabelRequest]]:
    """Add nothing to the logs of people's work, which `kedro labels` and `kedro iterate` write.

    As outputs they come under DVC.
    """
    return [], [], []


def merge_annotations(
    feed_annotations: pd.DataFrame,
    clips: pd.DataFrame,
    people_batches: list[BatchOpened | BatchDecided],
    people_annotations: list[PersonAnswer],
) -> pd.DataFrame:
    """List what people said about clips: one row for each clip, capability and person, the last one's answer.

    Args:
        feed_annotations: what came with the feed.
        clips: the feed's usable clips.
        people_batches: batches of clips that people got, and decisions on them.
        people_annotations: people's answers.
    """
    keys = ["clip_id", "capability", "annotator"]
    answered = answered_clips(review_batches(people_batches, people_annotations), clips["clip_id"])
    given = drawn_by_feed(priced_by_feed(feed_annotations, clips), clips)
    annotations = below([given, answered])
    return in_order(rows_where(annotations, last_of_each(annotations, keys)), keys)


def check_data(
    feed_checks: dict[str, Any], clips: pd.DataFrame, annotations: pd.DataFrame, capabilities: Capabilities
) -> dict[str, Any]:
    """Add to the checks of the feed how many clips of each class people labelled, and warn of rare classes."""
    classes = class_counts(clips, annotations, capabilities)
    rare = rare_classes(classes, feed_checks["least"])
    if rare:
        _log.warning(rare_in_words(rare, feed_checks["least"]))
    return feed_checks | {"classes": classes, "rare_classes": rare}


def queue_clips(
    opinions: Opinions,
    duplicates: pd.DataFrame,
    labels: pd.DataFrame,
    people_batches: list[BatchOpened | BatchDecided],
    people_annotations: list[PersonAnswer],
    guarantee: dict[str, Guarantee],
    requests: list[LabelRequest],
    features: FeatureStore,
    options: QueueOptions,
    extractors: FeatureOptions,
) -> list[Task]:
    """Choose the clips that people should label next, most useful first."""
    reviews = review_batches(people_batches, people_annotations)
    lacking = {name: found.labels_needed or 0 for name, found in guarantee.items()}
    stored = partial(stored_vectors, store=features, extractors=list(build_all(extractors).values()))
    terms = QueueTerms(options, opinions.human_price, lacking, stored, latest_requests(requests))
    return plan_queue(opinions.clips, duplicates, opinions.annotations, labels, opinions.capabilities, reviews, terms)


def measure_agreement(
    clips: pd.DataFrame, annotations: pd.DataFrame, resolved: ResolvedCapabilities, people: PeopleOptions, seed: int
) -> dict[str, Any]:
    """Say how far people agree, how good each of them is, and whose answers are of no use."""
    tables = annotator_tables(clips, annotations, resolved.active, people, seed)
    for line in agreement_messages(tables):
        _log.info(line)
    return tables


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
