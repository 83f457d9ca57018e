"""What drift pages show of clips before and now: facts, classes and confidences, by the name of the test on them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from cu_pipeline.core.capability import Kind
from cu_pipeline.drift.samples import ClipSample
from cu_pipeline.reports.drift_told import DriftTold, WindowTold

Column = tuple["pd.Series[Any]", "pd.Series[Any]"]
"""A column's values before and now."""


@dataclass(frozen=True)
class Columns:
    """Clips before and now.

    Attributes:
        pairs: test -> values before and now.
        classes: those of the tests whose values are classes.
        traffic: the clips of all windows, oldest first: `time`, and the facts of the log.
    """

    pairs: dict[str, Column] = field(default_factory=dict)
    classes: frozenset[str] = frozenset()
    traffic: pd.DataFrame = field(default_factory=pd.DataFrame)

    def both(self) -> dict[str, Column]:
        """The columns that have a value on both sides."""
        return {name: pair for name, pair in self.pairs.items() if all(side.notna().any() for side in pair)}


def drift_columns(
    told: DriftTold, references: Mapping[str, pd.DataFrame], traffic: pd.DataFrame, kinds: Mapping[str, Kind]
) -> Columns:
    """Find the values that tests were made on, of the latest window.

    Args:
        told: the decision.
        references: capability -> clips that its served model learned from.
        traffic: clips of the service, with `time`.
        kinds: of the capabilities.
    """
    now = in_window(traffic, told.window("latest"))
    pairs: dict[str, Column] = {}
    classes: set[str] = set()
    seen: set[str] = set()
    for test in sorted((test for test in told.tests if test.kind == "fact"), key=lambda test: not test.drifted):
        tested, capability = told.of_capability(test.name)
        fact = tested.removeprefix("fact_")
        before = references[capability] if capability in references else all_clips(references)
        if fact in before and fact in now and fact not in seen:  # once, however many models learned from it
            seen.add(fact)
            pairs[test.name] = _numbers(before[fact]), _numbers(now[fact])
    asked = {test.name for test in told.tests}
    for capability, kind in kinds.items():
        if f"label_{capability}" not in asked or capability not in references:
            continue
        sides = [ClipSample(table).answered(capability) for table in (references[capability], now)]
        label, confidence = f"label_{capability}", f"confidence_{capability}"
        pairs[label] = _labels(sides[0], capability), _labels(sides[1], capability)
        pairs[confidence] = _confidence(sides[0], capability, kind), _confidence(sides[1], capability, kind)
        classes.add(label)
    return Columns(pairs, frozenset(classes), traffic)


def in_window(traffic: pd.DataFrame, window: WindowTold | None) -> pd.DataFrame:
    """The clips of a window; all where none is told."""
    if window is None or window.start is None or window.end is None or traffic.empty:
        return traffic
    times = pd.to_datetime(traffic["time"], utc=True)
    # told times may be of whole seconds
    inside = (times >= window.start - pd.Timedelta(seconds=1)) & (times <= window.end + pd.Timedelta(seconds=1))
    return traffic[inside]


def all_clips(references: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The clips that any served model learned from, each once."""
    tables = [table for table in references.values() if len(table)]
    if not tables:
        return pd.DataFrame()
    together = pd.concat(tables, ignore_index=True)
    return together.drop_duplicates("clip_id") if "clip_id" in together else together


def _numbers(values: "pd.Series[Any]") -> "pd.Series[Any]":
    return pd.to_numeric(values, errors="coerce").astype(float).reset_index(drop=True)


def _labels(sample: ClipSample, capability: str) -> "pd.Series[Any]":
    return pd.Series(sample.labels(capability), dtype=object)


def _confidence(sample: ClipSample, capability: str, kind: Kind) -> "pd.Series[Any]":
    return pd.Series(sample.confidence(capability, kind) if len(sample) else [], dtype=float)
