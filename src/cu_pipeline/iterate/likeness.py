"""Whether what the service sees now is as the clips that its champions were audited on, by the tests on drift."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import pandas as pd

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.records import Split
from cu_pipeline.drift.compare import DriftDecision, compare
from cu_pipeline.drift.looks import Look
from cu_pipeline.drift.options import DriftOptions
from cu_pipeline.drift.samples import ClipSample
from cu_pipeline.inference.prediction_log.records import PredictionRecord
from cu_pipeline.inference.prediction_log.scan import LogScan
from cu_pipeline.inference.prediction_log.traffic import distinct_clips
from cu_pipeline.iterate.finding import Finding
from cu_pipeline.iterate.ledger import IterationLine
from cu_pipeline.iterate.standing_audit import Likeness

_LEARNED: Final = Split.TRAIN
"""The split that all audited clips get: both kinds of tests compare with them."""

_MOMENT: Final = timedelta(microseconds=1)
_MOST_WORDS: Final = 3


class WindowScan(LogScan):
    """The records of a part of a log.

    Args:
        place: of the log.
        start: of the first record, inclusive.
        end: of the last one, inclusive.
        versions: as of `LogScan`.
    """

    def __init__(
        self, place: str, start: datetime, end: datetime, *, versions: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(place, versions=versions, since=start)
        self._end = end

    def __iter__(self) -> Iterator[PredictionRecord]:
        for record in super().__iter__():
            if record.time > self._end:
                return
            yield record


@dataclass(frozen=True)
class LogComparison:
    """What the latest clips are compared by.

    Attributes:
        place: of the prediction log.
        serving: capability -> version of the champion.
        kinds: capability -> its kind.
        options: of the tests.
        seed: makes the result repeatable.
    """

    place: str
    serving: Mapping[str, str]
    kinds: Mapping[str, Kind]
    options: DriftOptions
    seed: int

    def compare(self, told: Finding, line: IterationLine) -> Likeness:
        """Compare the latest clips with those that an iteration looked at, at the level of the monitor's look.

        Clips that both windows hold are as they were. The others are tested as the monitor tests traffic against what
        models learned from; answers are compared where the same models gave them.

        Args:
            told: what the monitor says now.
            line: of the ledger, with a window.
        """
        start, end = (datetime.fromisoformat(line.window[name]) for name in ("start", "end"))
        before = self._clips(start, end, None)
        if len(before) < self.options.min_reference:
            return Likeness(alike=False, told=f"the log holds {len(before)} of its clips")
        first, last = told.window or (end, end)
        now = self._clips(max(first, end + _MOMENT), last, self.serving)
        if len(now) < self.options.min_clips:
            return Likeness(alike=True, told=f"the service has seen {len(now)} clips since")
        same = [name for name, version in self.serving.items() if _answered_by(before, name, version)]
        reference = ClipSample(before.assign(split=_LEARNED.value, clip_id=before["request_id"]))
        options = self.options.model_copy(
            update={"reference_splits": (_LEARNED,), "prediction_splits": (_LEARNED,), "since": None}
        )
        found = compare(
            dict.fromkeys(self.serving, reference),
            ClipSample(now),
            {name: self.kinds[name] for name in same if name in self.kinds},
            options,
            self.seed,
            Look(told.look, last, told.alpha),
        )
        if found.decision is not DriftDecision.DRIFT:
            return Likeness(alike=True, told=f"{len(found.tests)} tests do not tell {len(now)} new clips from them")
        names = [one.name for one in found.tests if one.drifted]
        rest = f" and {len(names) - _MOST_WORDS} more" if len(names) > _MOST_WORDS else ""
        return Likeness(alike=False, told=f"they differ: {', '.join(names[:_MOST_WORDS])}{rest}")

    def _clips(self, start: datetime, end: datetime, versions: Mapping[str, str] | None) -> pd.DataFrame:
        """The latest distinct clips of a part of the log, as many as a window has."""
        scan = WindowScan(self.place, start, end, versions=versions)
        found: pd.DataFrame = distinct_clips(scan, self.options.facts).table
        return found.iloc[-self.options.windows.clips :].reset_index(drop=True)


def _answered_by(clips: pd.DataFrame, capability: str, version: str) -> bool:
    """Whether one model gave all answers of a capability."""
    return all(json.loads(one).get(capability, version) == version for one in set(clips["versions"]))
