"""What people said about clips, in the feed and in accepted batches, and what the data are like by it."""

import logging
from typing import Any

import pandas as pd

from cu_pipeline.core.capability import Capabilities
from cu_pipeline.labeling.class_counts import class_counts, rare_classes, rare_in_words
from cu_pipeline.labeling.people.batches import answered_clips, review_batches
from cu_pipeline.labeling.people.records import Decided, Opened, PersonAnswer

_log = logging.getLogger(__name__)


def keep_people_work() -> tuple[list[Opened | Decided], list[PersonAnswer]]:
    """Add nothing to the logs of people's work, which `kedro labels` writes: as outputs they come under DVC."""
    return [], []


def merge_annotations(
    feed_annotations: pd.DataFrame,
    clips: pd.DataFrame,
    people_batches: list[Opened | Decided],
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
    annotations = pd.concat([feed_annotations, answered], ignore_index=True).drop_duplicates(keys, keep="last")
    return annotations.sort_values(keys).reset_index(drop=True)


def check_data(
    feed_checks: dict[str, Any], clips: pd.DataFrame, annotations: pd.DataFrame, capabilities: Capabilities
) -> dict[str, Any]:
    """Add to the checks of the feed how many clips of each class people labelled, and warn of rare classes."""
    classes = class_counts(clips, annotations, capabilities)
    rare = rare_classes(classes, feed_checks["least"])
    if rare:
        _log.warning(rare_in_words(rare, feed_checks["least"]))
    return feed_checks | {"classes": classes, "rare_classes": rare}
