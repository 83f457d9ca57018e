"""Clips that somebody chose for people to label, before all others: an iteration of the loop does."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

import pandas as pd

from cu_pipeline.core.records import Split
from cu_pipeline.ingest.served_clips import SERVED


class Purpose(StrEnum):
    """What a requested label is for.

    Attributes:
        TEST: drawn at random among what the service saw, to test models on; people see no machine's answer.
        RANDOM: drawn at random among the others.
        VALUE: chosen since its label teaches much.
        WITHDRAWN: ends the requests of an iteration; it names no clip.
    """

    TEST = "test"
    RANDOM = "random"
    VALUE = "value"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class LabelRequest:
    """A clip that people should be asked about first.

    Attributes:
        iteration: that asks.
        clip_id: of the clip; "" where requests are withdrawn.
        purpose: what the label is for.
    """

    iteration: str
    clip_id: str
    purpose: Purpose

    def as_json(self) -> dict[str, Any]:
        """Write it for the log of requests."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read it from there."""
        return cls(str(record["iteration"]), str(record["clip_id"]), Purpose(record["purpose"]))


def latest_requests(log: Iterable[LabelRequest]) -> dict[str, LabelRequest]:
    """Find the requests of the iteration that asked last, by clip; none if it withdrew them.

    >>> first, last = LabelRequest("1", "a", Purpose.VALUE), LabelRequest("2", "b", Purpose.TEST)
    >>> list(latest_requests([first, last])), list(latest_requests([last, LabelRequest("2", "", Purpose.WITHDRAWN)]))
    (['b'], [])
    """
    listed = list(log)
    mine = [one for one in listed if one.iteration == listed[-1].iteration]
    withdrawn = any(one.purpose is Purpose.WITHDRAWN for one in mine)
    return {} if withdrawn else {one.clip_id: one for one in mine}


def last_asked(log: Iterable[LabelRequest]) -> list[LabelRequest]:
    """What the iteration asked for that asked for clips last; a withdrawal changes nothing about that."""
    listed = [one for one in log if one.clip_id]
    return [one for one in listed if one.iteration == listed[-1].iteration]


def drawn_for_test(requests: Iterable[LabelRequest]) -> frozenset[str]:
    """The clips of requests that were drawn at random to test models on."""
    return frozenset(one.clip_id for one in requests if one.purpose is Purpose.TEST)


def taken_along(clips: pd.DataFrame, log: Iterable[LabelRequest]) -> "pd.Series[str]":
    """Find the clips that iterations took along since rules answer about them: of the feed `served`, asked for by none.

    Args:
        clips: the table of usable clips.
        log: of all requests.

    Returns:
        Their ids.
    """
    served = clips["feed"] == SERVED
    if not served.any():
        return clips.loc[served, "clip_id"]
    found: pd.Series[str] = clips.loc[served & ~clips["clip_id"].isin({one.clip_id for one in log}), "clip_id"]
    return found


def requested_clips(waiting: pd.DataFrame, requests: Mapping[str, LabelRequest]) -> pd.DataFrame:
    """Find the clips that are asked for and wait, in the order in which they are asked for.

    People label them whatever machines say: these clips are of traffic that has drifted, and no machine is certified
    there. One that was chosen to be learned from is asked about only where it can be: among test clips it would spoil
    the random sample. To the certificates of machines' labels none of these clips is a random draw from all.

    Args:
        waiting: clips that people may be asked about.
        requests: clip -> what is asked for.

    Returns:
        Rows of `waiting`.
    """
    order = {name: place for place, name in enumerate(requests)}
    found = waiting[waiting["clip_id"].isin(list(order))]
    tests = found["clip_id"].map(lambda name: requests[name].purpose is Purpose.TEST)
    found = found[tests.astype(bool) | (found["split"] != Split.TEST)]
    return found.iloc[found["clip_id"].map(order).argsort(kind="stable")]
