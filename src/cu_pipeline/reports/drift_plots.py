"""The drift page's small plots, as shapes that templates draw: they follow a browser's colours, dark and light."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from cu_pipeline.reports.drift_columns import Column, Columns
from cu_pipeline.reports.drift_told import DriftTold, TestTold

WIDTH: Final = 240.0
HEIGHT: Final = 64.0
"""Of a plot's area, in the units of its drawing."""

_BINS: Final = 24
_CLASSES: Final = 8
_MOST_BUCKETS: Final = 60
_FURTHEST: Final = 6.0
"""Effects beyond so many least effects are drawn at the edge."""


@dataclass(frozen=True)
class ForestRow:
    """A test as a row of the forest plot; places are shares of the plot's width.

    Attributes:
        test: its numbers.
        name: in plain words.
        at: place of the effect.
        low: of the interval's lower end.
        high: of its upper end.
        beyond: whether the effect is off the plot.
    """

    test: TestTold
    name: str
    at: float
    low: float
    high: float
    beyond: bool


@dataclass(frozen=True)
class Forest:
    """Effects with their intervals, in least effects.

    Attributes:
        rows: the surest drift first.
        line: place of the least effect that counts.
        zero: place of no effect.
    """

    rows: list[ForestRow]
    line: float
    zero: float


def forest(told: DriftTold) -> Forest:
    """Lay effects out on one scale: each in units of the least effect of its kind."""
    tests = told.tests
    ratios = {id(test): [_ratio(test, value) for value in _ends(test)] for test in tests}
    furthest = min(max([2.0, *(values[2] for values in ratios.values())]), _FURTHEST)
    left = -0.5 if any(values[1] < 0 for values in ratios.values()) else 0.0

    def place(ratio: float) -> float:
        return float(np.clip((ratio - left) / (furthest - left), 0, 1))

    ordered = sorted(tests, key=lambda test: (not test.drifted, test.p_adjusted, -_ratio(test, test.effect)))
    rows = []
    for test in ordered:
        at, low, high = ratios[id(test)]
        rows.append(ForestRow(test, told.title(test.name), place(at), place(low), place(high), at > furthest))
    return Forest(rows, place(1.0), place(0.0))


def _ends(test: TestTold) -> tuple[float, float, float]:
    return test.effect, test.effect_low, test.effect_high


def _ratio(test: TestTold, value: float) -> float:
    return value / test.least_effect if test.least_effect > 0 else value


@dataclass(frozen=True)
class Distribution:
    """Values before and now on one axis, as outlines of histograms.

    Attributes:
        title: what is shown.
        drifted: whether its test declares drift.
        before: points of an outline, "x,y x,y …".
        now: likewise.
        low: value at the left.
        high: value at the right.
        medians: before and now.
    """

    title: str
    drifted: bool
    before: str
    now: str
    low: float
    high: float
    medians: tuple[float, float]


@dataclass(frozen=True)
class Mix:
    """Shares of classes before and now.

    Attributes:
        title: what is shown.
        drifted: whether its test declares drift.
        rows: class, share before, share now; the largest change first.
        others: how many classes are not shown.
    """

    title: str
    drifted: bool
    rows: list[tuple[str, float, float]]
    others: int


@dataclass(frozen=True)
class Timeline:
    """A value by day or hour.

    Attributes:
        title: what is shown.
        bars: place and width as shares of the plot's width, height as a share of the greatest, and what is told.
        greatest: the value at the top.
        share: whether values are shares.
        start: of the first bucket.
        end: of the last one.
    """

    title: str
    bars: list[tuple[float, float, float, str]]
    greatest: float
    share: bool
    start: str
    end: str


def distributions(told: DriftTold, columns: Columns) -> list[Distribution]:
    """Draw the columns of numbers, those that drifted first."""
    drifted = {test.name for test in told.drifted}
    found = [
        _distribution(told.title(name.removesuffix(f"_{told.of_capability(name)[1]}")), pair, name in drifted)
        for name, pair in columns.both().items()
        if name not in columns.classes
    ]
    return sorted(found, key=lambda one: not one.drifted)


def _distribution(title: str, pair: Column, drifted: bool) -> Distribution:
    sides = [side.dropna().to_numpy(float) for side in pair]
    both = np.concatenate(sides)
    low, high = (float(end) for end in np.quantile(both, [0.005, 0.995]))
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts = [np.histogram(np.clip(side, low, high), bins=_BINS, range=(low, high))[0] / len(side) for side in sides]
    top = max(float(one.max()) for one in counts)
    before, now = (_outline(one / top) for one in counts)
    medians = (float(np.median(sides[0])), float(np.median(sides[1])))
    return Distribution(title, drifted, before, now, low, high, medians)


def _outline(heights: "np.ndarray[Any, Any]") -> str:
    step = WIDTH / len(heights)
    points = [(0.0, HEIGHT)]
    for number, height in enumerate(heights):
        y = HEIGHT * (1 - height)
        points += [(number * step, y), ((number + 1) * step, y)]
    points.append((WIDTH, HEIGHT))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def mixes(told: DriftTold, columns: Columns) -> list[Mix]:
    """Show the columns of classes."""
    drifted = {test.name for test in told.drifted}
    found = []
    for name, (before, now) in columns.both().items():
        if name in columns.classes:
            shares = [side.value_counts(normalize=True) for side in (before, now)]
            both = {label: tuple(float(one.get(label, 0.0)) for one in shares) for one in shares for label in one.index}
            ordered = sorted(both.items(), key=lambda item: (-abs(item[1][1] - item[1][0]), item[0]))
            rows = [(str(label) or "none of them", pair[0], pair[1]) for label, pair in ordered[:_CLASSES]]
            found.append(Mix(told.title(name), name in drifted, rows, max(len(ordered) - _CLASSES, 0)))
    return found


def timelines(told: DriftTold, columns: Columns) -> list[Timeline]:
    """Show how many clips came when, and which share of them lacked a part."""
    if columns.traffic.empty:
        return []
    buckets, step = _buckets(pd.to_datetime(columns.traffic["time"], utc=True))
    return [_timeline("clips", buckets, step, pd.Series(1.0, index=columns.traffic.index), share=False), *(
        _timeline(title, buckets, step, lacking, share=True) for title, lacking in _lacking(told, columns.traffic)
    )]  # fmt: skip


def _lacking(told: DriftTold, traffic: pd.DataFrame) -> Iterator[tuple[str, "pd.Series[Any]"]]:
    """Which clips lack a part that a test was made on, where any does."""
    names = (told.of_capability(test.name)[0] for test in told.tests if test.kind == "missing")
    for part in dict.fromkeys(name.removeprefix("missing_") for name in names):
        if f"has_{part}" in traffic:
            has = pd.to_numeric(traffic[f"has_{part}"], errors="coerce")
            lacking = (has == 0).astype(float).where(has.notna())
            if lacking.any():
                yield f"without {part.replace('_', ' ')}", lacking


def _buckets(times: "pd.Series[Any]") -> tuple["pd.Series[Any]", pd.Timedelta]:
    """When the part of the time that a clip came in began, and how long such a part is: at most so many in all."""
    span = times.max() - times.min()
    steps = (pd.Timedelta(step) for step in ("1min", "10min", "1h", "1D"))
    step = next(
        (step for step in steps if span <= _MOST_BUCKETS * step), pd.Timedelta(days=span.days // _MOST_BUCKETS + 1)
    )
    return times.dt.floor(step), step


def _timeline(
    title: str, buckets: "pd.Series[Any]", step: pd.Timedelta, values: "pd.Series[Any]", *, share: bool
) -> Timeline:
    grouped = values.groupby(buckets)
    found = grouped.mean().fillna(0.0) if share else grouped.sum()
    first, last = found.index.min(), found.index.max()
    shape = "%Y-%m-%d" if step >= pd.Timedelta(days=1) else "%Y-%m-%d %H:%M"
    whole = (last - first + step) / step
    greatest = float(found.max())
    bars = [
        (
            float((moment - first) / step / whole),
            float(1 / whole),
            float(value / greatest),
            f"{moment.strftime(shape)}: {value:.0%}" if share else f"{moment.strftime(shape)}: {value:,.0f}",
        )
        for moment, value in zip(pd.DatetimeIndex(found.index), found, strict=True)
    ]
    return Timeline(title, bars, greatest, share, first.strftime(shape), last.strftime(shape))
