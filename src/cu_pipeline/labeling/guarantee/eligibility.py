"""Clips that a machine was not offered, for reasons other than what the clip is."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import pandas as pd

from cu_pipeline.core.records import NAME, AnnotatorKind, table

NOT_OFFERED: Final = {"capability": NAME, "clip_id": NAME, "reason": NAME}
"""Columns of the table of clips that a machine was not offered; `reason` is an `Omission`."""

FEWEST_OFFERED: Final = 40
"""Clips to be routed with which a test is made where others were not offered; it would choose thresholds by too few."""


class Omission(StrEnum):
    """Why a machine was not offered a clip."""

    LEARNED = "learned"
    FEATURES = "features"
    LIMIT = "limit"


_MACHINES: Final = {
    Omission.LEARNED: AnnotatorKind.MODEL,
    Omission.FEATURES: AnnotatorKind.MODEL,
    Omission.LIMIT: AnnotatorKind.LLM,
}


@dataclass(frozen=True)
class LeftOut:
    """How many clips of one capability do not count, by reason.

    Attributes:
        calibration: of those on which machines would be tested.
        pool: of those that no person has seen.
    """

    calibration: Mapping[str, int] = field(default_factory=dict)
    pool: Mapping[str, int] = field(default_factory=dict)


def not_offered(capability: str, clips: Mapping[Omission, Iterable[str]]) -> pd.DataFrame:
    """Give a table with the columns of `NOT_OFFERED` from the ids of clips by reason."""
    rows: list[dict[str, object]] = [
        {"capability": capability, "clip_id": clip, "reason": reason.value}
        for reason, mine in clips.items()
        for clip in mine
    ]
    return table(rows, NOT_OFFERED)


def everything_offered() -> pd.DataFrame:
    """Give the table for machines that were offered all clips."""
    return table([], NOT_OFFERED)


def omitted(passed: pd.DataFrame, in_use: Collection[AnnotatorKind]) -> dict[str, Omission]:
    """Give the clips that not all machines in use were offered, each with the first reason.

    Whether a machine was offered a clip must not depend on people's labels of it, nor on other machines' answers. Then
    calibration clips and others that were offered alike are routed alike.

    Args:
        passed: a table with the columns of `NOT_OFFERED`, of one capability.
        in_use: kinds of machines whose answers may count.
    """
    found: dict[str, Omission] = {}
    for clip, reason in zip(passed["clip_id"], map(Omission, passed["reason"]), strict=True):
        if _MACHINES[reason] in in_use:
            found.setdefault(clip, reason)
    return found


def reasons(found: Mapping[str, Omission], clips: Iterable[str]) -> dict[str, int]:
    """Count the clips that were omitted, by reason."""
    return dict(sorted(Counter(found[clip].value for clip in clips if clip in found).items()))
