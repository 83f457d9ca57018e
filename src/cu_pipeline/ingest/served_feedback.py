"""What people said of the service's answers, as annotations of the clips that it was asked about."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import pandas as pd

from cu_pipeline.core.capability import NONE, SEPARATOR, Capabilities, Kind
from cu_pipeline.core.caption_text import clean_name
from cu_pipeline.core.counters import count
from cu_pipeline.ingest.opinions import annotations_of_people

ANNOTATOR: Final = "service"
"""The annotator that stands for people who did not say who they are."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServedFeedback:
    """A person's word on an answer.

    Attributes:
        feedback_id: of it.
        time: when it came, ISO 8601.
        capability: that it is about.
        label: as in the tables of labels.
        annotator: who says so; "": unknown.
        media_sha256: of the clip's media; "": it had none.
        text_sha256: of its caption; "": likewise.
    """

    feedback_id: str
    time: str
    capability: str
    label: str
    annotator: str
    media_sha256: str
    text_sha256: str

    def as_json(self) -> dict[str, Any]:
        """Write it for the file of feedback."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read it from there."""
        return cls(**record)


def feedback_annotations(
    feedback: Iterable[ServedFeedback], clips: pd.DataFrame, capabilities: Capabilities
) -> pd.DataFrame:
    """Find the clips that people spoke of by their content, and list what they said.

    Of what one person said of one clip the latest counts. An annotator is called `service`, or `service/NAME`, so that
    how good they are is estimated apart from people of other sources.

    Args:
        feedback: all that came.
        clips: rows of usable clips, with `clip_id`, `media_sha256` and `text_sha256`; one content may stand several
            times.
        capabilities: that are configured; what was said of others, or names a class that they do not have, is left out,
            counted and told.

    Returns:
        A table with the columns of `records.ANNOTATIONS`, sorted.
    """
    wanted: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    left_out = 0
    for one in sorted(feedback, key=lambda one: (one.time, one.feedback_id)):
        if problem := _problem(one, capabilities):
            left_out += 1
            _log.warning("feedback %s on %r is left out: %s", one.feedback_id, one.capability, problem)
            continue
        who = f"{ANNOTATOR}/{clean_name(one.annotator)}" if clean_name(one.annotator) else ANNOTATOR
        wanted.setdefault((one.media_sha256, one.text_sha256), {})[one.capability, who] = one.label
    if left_out:
        count("feedback_left_out", left_out)
    contents = zip(clips["clip_id"], clips["media_sha256"], clips["text_sha256"], strict=True)
    return annotations_of_people(
        (clip_id, capability, who, label)
        for clip_id, media, text in contents
        for (capability, who), label in wanted.get((media, text), {}).items()
    )


def _problem(one: ServedFeedback, capabilities: Capabilities) -> str:
    """Say why feedback cannot be used; "" where it can."""
    known = capabilities.root
    if one.capability not in known:
        return f"no such capability is configured; there are {', '.join(known)}"
    capability = known[one.capability]
    several = capability.kind is Kind.MULTI
    if not capability.classes or (several and one.label == NONE):
        return ""
    named = one.label.split(SEPARATOR) if several else [one.label]
    unknown = ", ".join(repr(name) for name in named if name not in capability.classes)
    return f"{unknown} is no class of it; there are {', '.join(capability.classes)}" if unknown else ""
