"""What people said about clips, in a feed and to the service, as the table of annotations has it."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

import pandas as pd

from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.records import ANNOTATIONS, AnnotatorKind, table
from cu_pipeline.core.resolved import outside_scope
from cu_pipeline.core.rows import Rows, rows_of
from cu_pipeline.core.spool import spooled
from cu_pipeline.ingest.class_names import settle_classes, used_classes
from cu_pipeline.ingest.served_feedback import ServedFeedback, feedback_labels

KEY: Final = ("clip_id", "capability", "annotator")
_SAID: Final = (*KEY, "label")
_COUNTED: Final = ("capability", "label", "apart")
_SCOPED: Final = ("feed", "lang", "media_sha256", "text_sha256", "metadata")
"""What a capability's scope may ask of a clip."""


def annotations_of_people(clips: Rows, feedback: Sequence[ServedFeedback], capabilities: Capabilities) -> Rows:
    """List what people said about clips, and take the configured classes' names for those that differ only in form.

    What they said of clips outside a capability's scope is kept as it is.

    Args:
        clips: rows of usable clips, with what `_SCOPED` names, `clip_id` and `opinions`, sorted by `clip_id`.
        feedback: what people said to the service.
        capabilities: what to recognise.

    Returns:
        A table with the columns of `records.ANNOTATIONS`, sorted by `KEY`.

    Raises:
        ConfigurationError: labels that are no configured class, or classes that differ only in case or form.
    """
    told: dict[str, list[tuple[str, str, str, str]]] = {}
    inside, outside = _counted(_said(clips, told, capabilities))
    used = used_classes({name: inside[name] + outside[name] for name in inside}, capabilities)
    for one in feedback_labels(feedback, clips, capabilities, used):
        told.setdefault(one[0], []).append(one)
    if told:
        inside, _ = _counted(_said(clips, told, capabilities))
    renamed = settle_classes(inside, capabilities)
    rows = spooled(_settled(batch, renamed) for batch in _said(clips, told, capabilities))
    return rows if len(rows) else rows_of(table([], ANNOTATIONS))


def _said(
    clips: Rows, told: Mapping[str, list[tuple[str, str, str, str]]], capabilities: Capabilities
) -> Iterator[pd.DataFrame]:
    """List what was said of some clips at a time, and whether it is `apart`: outside the capability's scope."""
    scoped = any(one.scope.is_limited for one in capabilities.root.values())
    for batch in clips.batches(("clip_id", "opinions", *(_SCOPED if scoped else ()))):
        rows = [
            (clip_id, *opinion)
            for clip_id, opinions in zip(batch["clip_id"], batch["opinions"], strict=True)
            if opinions != "{}"
            for opinion in _opinions(opinions)
        ]
        more = [one for clip_id in batch["clip_id"] for one in told.get(clip_id, ())] if told else []
        said = pd.DataFrame(sorted(rows + more) if more else rows, columns=_SAID, dtype=object)
        yield said.assign(apart=outside_scope(said, batch, capabilities.root) if scoped else False)


@lru_cache(maxsize=2**16)
def _opinions(text: str) -> tuple[tuple[str, str, str], ...]:
    """Read capability, annotator and label from a JSON object whose keys are sorted."""
    found = json.loads(text).items()
    return tuple((capability, who, label) for capability, labels in found for who, label in labels.items())


def _counted(said: Iterable[pd.DataFrame]) -> tuple[dict[str, Counter[str]], dict[str, Counter[str]]]:
    """Count the labels of each capability, inside its scope and outside."""
    counts: tuple[dict[str, Counter[str]], ...] = ({}, {})
    for batch in said:
        for (capability, label, apart), times in Counter(zip(*(batch[name] for name in _COUNTED), strict=True)).items():
            for place in (0, 1):
                counts[place].setdefault(capability, Counter())
            counts[apart][capability][label] += times
    return counts[0], counts[1]


def _settled(said: pd.DataFrame, renamed: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    labels = said["label"]
    for name, names in renamed.items():
        mine = (said["capability"] == name) & ~said["apart"]
        labels = labels.mask(mine, labels.map(dict(names)).fillna(labels))
    rows = said.assign(label=labels, kind=AnnotatorKind.HUMAN.value, probability=float("nan"), price=0.0)
    return table(rows.assign(probabilities="", version="", draw=""), ANNOTATIONS)
