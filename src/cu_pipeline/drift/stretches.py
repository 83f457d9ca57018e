"""Stretches of time: what a service did in its latest period, against what is usual there.

How often clips are sent again, files are refused or answers are late has no counterpart among the clips that models
learned from, so the latest period, as long as planned looks are apart, is compared with those before it. It is cut into
stretches, hours where looks are daily. A stretch is what a creator is to other tests: it counts as one however much
happens in it, so a single wild hour is no drift, and a change that lasts is. Each period has every hour of the day.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from cu_pipeline.core.lean import places
from cu_pipeline.drift.unit_design import LEAST_UNITS

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

OF_PERIOD: Final = 24
"""Stretches of a period."""

LEAST_PERIOD_DAYS: Final = 1 / 24
"""Of shorter periods the stretches are so short that what lasts for some of them may be chance."""


class TrafficCounts(Protocol):
    """What the traffic tells beside its clips; see `Traffic` of the prediction log."""

    @property
    def table(self) -> pd.DataFrame:
        """One row a distinct clip, with request_id and content."""
        ...

    @property
    def answers(self) -> pd.DataFrame:
        """One row an answer, oldest first: time, request_id, group, content, latency_ms."""
        ...

    @property
    def repeats(self) -> pd.DataFrame:
        """Those of them about a content that was answered before."""
        ...

    @property
    def refusals(self) -> pd.DataFrame:
        """Requests that were refused: time (a minute's start), reason, requests."""
        ...

    @property
    def near_repeats(self) -> "pd.Series[str]":
        """For each clip the request id of an earlier one that shows the same, or ""."""
        ...


@dataclass(frozen=True)
class Stretches:
    """What happened in stretches of time.

    Attributes:
        answers: rows of `TrafficCounts.answers` of the last `days`, with `stretch`, counted back from the latest one.
        refusals: likewise, of `TrafficCounts.refusals`.
        start: of the latest period.
        end: the latest answer or refusal.
        oldest: the first answer of the log, however long ago.
        period: how long the latest one is.
        same: content -> another one that came before and shows the same.
    """

    answers: pd.DataFrame
    refusals: pd.DataFrame
    start: datetime
    end: datetime
    oldest: datetime
    period: timedelta
    same: dict[str, str]

    @classmethod
    def of(cls, traffic: TrafficCounts, every_days: float, days: float) -> "Stretches":
        """Cut the last `days` of some traffic, at least one answer, into stretches of a 24th of `every_days`."""
        period, times = timedelta(days=every_days), traffic.answers["time"]
        ends = [times.max(), *traffic.refusals["time"]]
        end = max(pd.Timestamp(one) for one in ends)
        tables = [_cut(table, end, period / OF_PERIOD, days) for table in (traffic.answers, traffic.refusals)]
        clips, near = traffic.table, traffic.near_repeats[traffic.near_repeats != ""]
        firsts = clips["content"].iloc[places(near, clips["request_id"])]
        same = dict(zip(clips["content"].loc[near.index], firsts, strict=True))
        oldest, start = times.min().to_pydatetime(), (end - period).to_pydatetime()
        return cls(tables[0], tables[1], start, end.to_pydatetime(), oldest, period, same)

    @cached_property
    def again(self) -> Mask:
        """Which answers are about a clip that was sent within a period before, (answers,)."""
        clip = self.answers["content"].map(lambda content: self.same.get(content, content))
        gap = self.answers["time"].groupby(clip).diff()
        return np.asarray((gap <= self.period).to_numpy(), dtype=np.bool_)


def tell(stretches: npt.NDArray[np.int64]) -> bool:
    """Whether there are stretches enough, of the latest period and of before, to be compared; each is told once."""
    now = int((stretches < OF_PERIOD).sum())
    return min(now, len(stretches) - now) >= LEAST_UNITS


def _cut(table: pd.DataFrame, end: Any, length: timedelta, days: float) -> pd.DataFrame:
    """The rows of the last days, with the number of their stretch."""
    times = pd.to_datetime(table["time"], utc=True)
    late = (times > end - timedelta(days=days)).to_numpy(dtype=np.bool_)
    passed = (end - times[late]) / length
    return table[late].assign(time=times[late], stretch=np.floor(passed.to_numpy(np.float64)).astype(np.int64))
