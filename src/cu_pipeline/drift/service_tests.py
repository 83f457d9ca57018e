"""Tests of what the service does: clips that are sent again, requests that are refused, answers that are late."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from cu_pipeline.drift.clip_tests import DriftTest, Untested
from cu_pipeline.drift.stretches import OF_PERIOD, Floats, Mask, Stretches, tell

REUPLOADS: Final = "reuploads"
REJECTED: Final = "rejected"
LATENCY: Final = "latency"

_TOO_SHORT: Final = "the log is too short to say what is usual: it takes some hours of the latest period and of before"
_LEAST_SHARE: Final = 0.01
_SLOW: Final = (0.5, 0.75, 0.9, 0.95)


@dataclass(frozen=True)
class ServiceTest:
    """A test on stretches of time.

    Attributes:
        test: its scores are means of each stretch.
        stretches: numbers of these.
    """

    test: DriftTest
    stretches: npt.NDArray[np.int64]

    @property
    def current(self) -> Mask:
        """Which are of the latest period."""
        return np.asarray(self.stretches < OF_PERIOD)


MakesServiceTest: TypeAlias = Callable[[Stretches], ServiceTest | Untested]


def reupload_test(log: Stretches) -> ServiceTest | Untested:
    """A test of the share of answers about clips that were sent within a period before.

    Answers of the log's first period are left out: of what came before them nothing is known.
    """
    known = (log.answers["time"] >= log.oldest + log.period).to_numpy(dtype=np.bool_)
    again = log.again[known].astype(np.float64)
    return _of_answers(REUPLOADS, log.answers[known], again[:, None], "sent again: {} → {} of answers")


def latency_test(log: Stretches) -> ServiceTest | Untested:
    """A test of the shares of answers that take longer than each of four quantiles of all of them."""
    table = log.answers[log.answers["latency_ms"].notna()]
    if table.empty:
        return Untested(LATENCY, "the log does not tell how long answers took")
    took = table["latency_ms"].to_numpy(np.float64)
    cuts = np.unique(np.quantile(took, _SLOW, method="lower"))
    now = (table["stretch"] < OF_PERIOD).to_numpy()
    middle = [f"{np.median(took[side]):,.0f}" if side.any() else "none" for side in (~now, now)]
    return _of_answers(LATENCY, table, took[:, None] > cuts, f"median {middle[0]} → {middle[1]} ms")


def rejected_test(log: Stretches) -> ServiceTest | Untested:
    """A test of the share of requests that are refused: of all, and for each reason of some weight."""
    refused = log.refusals.pivot_table("requests", "stretch", "reason", aggfunc="sum", fill_value=0)
    answered = log.answers["stretch"].value_counts()
    stretches = np.union1d(refused.index, answered.index).astype(np.int64)
    by_reason = refused.reindex(stretches, fill_value=0)
    whole = by_reason.sum(axis=1) + answered.reindex(stretches, fill_value=0)
    common = [name for name in by_reason if by_reason[name].sum() >= _LEAST_SHARE * whole.sum()]
    counts = np.column_stack([by_reason.sum(axis=1), *(by_reason[name] for name in common)])
    shares = counts / whole.to_numpy(np.float64)[:, None]
    now = stretches < OF_PERIOD
    told = [_share(counts[side, 0].sum(), whole[side].sum()) for side in (~now, now)]
    words = f"refused: {told[0]} → {told[1]} of requests"
    if common and tell(stretches):
        rise = [shares[now, 1 + place].mean() - shares[~now, 1 + place].mean() for place in range(len(common))]
        words += f", most for {common[int(np.argmax(rise))]!r}"
    return _test(REJECTED, stretches, shares, words)


def _of_answers(name: str, table: pd.DataFrame, values: npt.NDArray[np.generic], words: str) -> ServiceTest | Untested:
    """A test of numbers of each answer, (answers, columns), whose first column's shares stand in `words`."""
    stretches, place = np.unique(table["stretch"].to_numpy(np.int64), return_inverse=True)
    sizes = np.bincount(place, minlength=len(stretches))
    means = [np.bincount(place, column.astype(np.float64), len(stretches)) / sizes for column in values.T]
    now = (table["stretch"] < OF_PERIOD).to_numpy()
    told = [_share(float(values[side, 0].sum()), int(side.sum())) for side in (~now, now)]
    return _test(name, stretches, np.column_stack(means), words.format(*told))


def _test(name: str, stretches: npt.NDArray[np.int64], shares: Floats, words: str) -> ServiceTest | Untested:
    if not tell(stretches):
        return Untested(name, _TOO_SHORT)
    return ServiceTest(DriftTest(name, name, shares, words, effect="rise"), stretches)


def _share(part: float, whole: float) -> str:
    return f"{part / max(1, whole):.1%}"
