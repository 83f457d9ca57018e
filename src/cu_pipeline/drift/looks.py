"""Looks at a log that grows: how the chance of a false alarm is divided among them.

A part of it, `1 - extra`, is given to planned looks by the time that has passed since the one before, so that those of
any horizon share it. Looks that come sooner, and the first one, take half of what is left of the other part.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from cu_pipeline.drift.options import LookOptions
from cu_pipeline.drift.windows import Window

_SLACK = 0.9
"""A daily look may come a little sooner than a day after the one before."""


@dataclass(frozen=True)
class Look:
    """One look at traffic.

    Attributes:
        id: hash of its inputs; the same inputs again are the same look.
        time: of the latest answer that it saw; None where there was none, and such a look is not kept.
        alpha: chance of a false alarm that it spends.
        extra: the part of `alpha` that comes from what is kept for looks that are not planned.
        decision: what it found; "" before it has.
        windows: what it saw.
    """

    id: str
    time: datetime | None
    alpha: float
    extra: float = 0.0
    decision: str = ""
    windows: tuple[Window, ...] = ()

    @property
    def planned(self) -> bool:
        """Whether it was due: the time until the next planned one counts from it."""
        return self.alpha > self.extra

    def as_json(self) -> dict[str, Any]:
        """The form that `drift_looks.jsonl` keeps."""
        windows = [one.as_json() for one in self.windows]
        return asdict(self) | {"time": self.time and self.time.isoformat(), "windows": windows}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "Look":
        """Read what `as_json` wrote."""
        windows = tuple(Window.from_json(one) for one in row["windows"])
        read = {"time": row["time"] and datetime.fromisoformat(row["time"]), "windows": windows}
        return cls(**(row | read))


def next_look(id_: str, time: datetime, earlier: Sequence[Look], alpha: float, options: LookOptions) -> Look:
    """Begin a look, or find the one that was made at the same inputs.

    Args:
        id_: hash of its inputs.
        time: of the latest answer in them.
        earlier: all looks that were made, in their order.
        alpha: for all looks of a horizon together.
        options: how it is divided.
    """
    for look in earlier:
        if look.id == id_:
            return replace(look, decision="", windows=())
    horizon = timedelta(days=options.horizon_days)
    recent = [look for look in earlier if look.time is not None and abs(time - look.time) < horizon]
    planned = [look.time for look in earlier if look.time is not None and look.planned]
    passed = (time - max(planned)) / timedelta(days=1) if planned else options.every_days
    by_plan = by_extra = 0.0
    if passed >= _SLACK * options.every_days:
        whole = (1 - options.extra) * alpha
        spent = sum(look.alpha - look.extra for look in recent)
        by_plan = max(0.0, min(whole * passed / options.horizon_days, whole - spent))
    if not planned or not by_plan:
        by_extra = max(0.0, options.extra * alpha - sum(look.extra for look in recent)) / 2
    return Look(id_, time, by_plan + by_extra, by_extra)


def last_drift(looks: Sequence[Look], before: datetime | None) -> datetime | None:
    """When looks at what came before a moment last found drift: what came until then has been decided on."""
    times = [look.time for look in looks if look.time is not None and look.decision == "drift"]
    return max((time for time in times if before is not None and time < before), default=None)
