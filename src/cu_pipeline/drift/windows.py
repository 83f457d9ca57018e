"""Windows: the parts of the traffic that are compared with the reference."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from cu_pipeline.drift.options import DriftOptions
from cu_pipeline.drift.samples import ClipSample

LATEST: Final = "latest"
SINCE_DECISION: Final = "since_decision"
LATEST_PERIOD: Final = "latest_period"

MOST_ANSWERS: Final = 100_000
"""Of more answers the latest ones are looked at: of a window no more than `max_clips` are compared."""

_PERIODS: Final = 3
"""Latest ones that are looked at, however many answers they have: one tells what was sent before, one what is usual."""

_LONGER: Final = 1.5
"""`since_decision` is looked at where it has so many times the clips of `latest`: else both ask the same."""


@dataclass(frozen=True)
class Window:
    """A part of the traffic.

    Attributes:
        name: `latest` or `since_decision`; `latest_period`, of what the service does.
        start: of its first clip; None where it is empty.
        end: of its last clip.
        clips: distinct ones.
        units: that they are of.
        known_units: of these, how many the reference has too.
        requests: that were answered about these clips.
    """

    name: str
    start: datetime | None
    end: datetime | None
    clips: int
    units: int
    known_units: int
    requests: int

    def as_json(self) -> dict[str, Any]:
        """The form for files."""
        times = {name: None if time is None else time.isoformat() for name, time in self._times()}
        return asdict(self) | times

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "Window":
        """Read what `as_json` wrote."""
        times = {name: row[name] and datetime.fromisoformat(row[name]) for name in ("start", "end")}
        return cls(**(row | times))

    def _times(self) -> tuple[tuple[str, datetime | None], ...]:
        return ("start", self.start), ("end", self.end)


def oldest_needed(decided: datetime, options: DriftOptions) -> datetime:
    """Find the moment before which no window and no period begins, and nothing that they are compared with.

    Args:
        decided: when was last decided on what came until then; answers came later.
        options: how long windows and periods are.
    """
    return decided - timedelta(days=options.windows.days + 2 * options.looks.every_days)


def enough_since(oldest: datetime | None, latest: datetime | None, options: DriftOptions) -> datetime | None:
    """Find the moment from which on a log is read, so that what it takes is not as much as the log has.

    Args:
        oldest: when the oldest of the latest `MOST_ANSWERS` answers was given; None where there are fewer.
        latest: when the latest answer was given.
        options: how long periods are.

    Returns:
        None: from its beginning.
    """
    if oldest is None or latest is None:
        return None
    return min(oldest, latest - timedelta(days=_PERIODS * options.looks.every_days))


def cut_windows(current: ClipSample, since: datetime | None, options: DriftOptions) -> dict[str, ClipSample]:
    """Cut traffic, oldest first, into windows, by name.

    Args:
        current: with a column `time`.
        since: when was last decided on what came until then; None: never.
        options: how long windows are.
    """
    if not len(current):
        return {LATEST: current}
    time = current.table["time"]
    recent = current.table[(time > time.iloc[-1] - timedelta(days=options.windows.days)).to_numpy()]
    cut = {LATEST: ClipSample(recent.iloc[-options.windows.clips :])}
    undecided = ClipSample(current.table if since is None else current.table[(time > since).to_numpy()])
    if len(undecided) >= _LONGER * len(cut[LATEST]):
        cut[SINCE_DECISION] = undecided
    return cut


def describe(name: str, sample: ClipSample, known: set[str]) -> Window:
    """Describe a window.

    Args:
        name: of the window.
        sample: its clips, with units.
        known: units of the reference.
    """
    times = sample.table["time"]
    units = sample.table["group"].drop_duplicates()
    sent = sample.optional("requests")
    return Window(
        name=name,
        start=_moment(times.iloc[0]) if len(sample) else None,
        end=_moment(times.iloc[-1]) if len(sample) else None,
        clips=len(sample),
        units=len(units),
        known_units=int(units.isin(known).sum()),
        requests=len(sample) if sent is None else int(np.nansum(sent.to_numpy(np.float64))),
    )


def _moment(time: Any) -> datetime:
    return time.to_pydatetime() if hasattr(time, "to_pydatetime") else time
