"""Which clips are eligible for certification: those that every source in use was asked about or could have been."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
import pandas as pd

from cu_pipeline.core.lean import below, places
from cu_pipeline.core.records import NAME, TEXT, AnnotatorKind, table
from cu_pipeline.labeling.sources.source import Annotator

INELIGIBLE: Final = {"capability": NAME, "clip_id": NAME, "reason": NAME, "annotator": TEXT}
"""Columns of the table of ineligible clips; `reason` is an `Ineligible`, `annotator` "" for all of its kind."""

FEWEST_ELIGIBLE: Final = 40
"""Eligible clips to be routed with which a test is made where others are not; it would choose thresholds by too few."""


class Ineligible(StrEnum):
    """Why a clip does not count.

    Attributes:
        LEARNED: a served model is not asked, since it learned from the clip.
        FEATURES: nor here, since it lacks features.
        FRAMES: a zero-shot model is not asked, since it lacks frames.
        LIMIT: a language model is not asked, since others come first.
        SERVED: an iteration chose the clip from traffic that has drifted, by what sources say of it: it is like no
            random draw, whoever answers.
    """

    LEARNED = "learned"
    FEATURES = "features"
    FRAMES = "frames"
    LIMIT = "limit"
    SERVED = "served"


_KINDS: Final = {
    Ineligible.LEARNED: AnnotatorKind.MODEL,
    Ineligible.FEATURES: AnnotatorKind.MODEL,
    Ineligible.FRAMES: AnnotatorKind.ZERO_SHOT,
    Ineligible.LIMIT: AnnotatorKind.LLM,
}


@dataclass(frozen=True)
class IneligibleClips:
    """How many clips of one capability do not count, by reason.

    Attributes:
        calibration: of those on which sources would be tested.
        pool: of those that no person has seen.
    """

    calibration: Mapping[str, int] = field(default_factory=dict)
    pool: Mapping[str, int] = field(default_factory=dict)


def ineligible_clips(
    capability: str, clips: Mapping[Ineligible, "pd.Series[str]"], annotator: str = ""
) -> pd.DataFrame:
    """Make a table with the columns of `INELIGIBLE` from the ids of clips by reason."""
    parts = [
        pd.DataFrame({"capability": capability, "clip_id": mine, "reason": reason.value, "annotator": annotator})
        for reason, mine in clips.items()
    ]
    return below([all_eligible(), *(table(one, INELIGIBLE) for one in parts)])


def all_eligible() -> pd.DataFrame:
    """Make the table for sources that were asked about all clips."""
    return table([], INELIGIBLE)


def ineligible_for(ineligible: pd.DataFrame, in_use: Collection[Annotator]) -> "pd.Series[str]":
    """Find the clips about which not all sources in use were asked: by `clip_id` the first reason.

    Whether a source is asked about a clip must not depend on people's labels of it, nor on other sources' answers. Then
    eligible calibration clips and other eligible clips are routed alike.

    Args:
        ineligible: a table with the columns of `INELIGIBLE`, of one capability.
        in_use: annotators whose answers may count.
    """
    kinds = {kind for kind, _ in in_use}
    counts = np.zeros(len(ineligible), dtype=np.bool_)
    for reason, annotator in ineligible[["reason", "annotator"]].drop_duplicates().itertuples(index=False, name=None):
        kind = _KINDS.get(Ineligible(reason))
        used = kind in kinds if annotator == "" else (str(kind), annotator) in in_use
        if used or kind is None:
            counts |= ((ineligible["reason"] == reason) & (ineligible["annotator"] == annotator)).to_numpy(np.bool_)
    found = ineligible[counts].drop_duplicates("clip_id")
    return pd.Series(found["reason"].to_numpy(dtype=object), index=pd.Index(found["clip_id"]), dtype=object)


def count_reasons(found: "pd.Series[str]", clips: "pd.Series[str] | pd.Index[str]") -> dict[str, int]:
    """Count the ineligible ones among clips, by reason.

    Args:
        found: as `ineligible_for` gives them.
        clips: their ids.
    """
    place = places(clips, found.index)
    return dict(sorted(Counter(found.to_numpy()[place[place >= 0]]).items()))
