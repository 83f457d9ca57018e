"""Samples of clips as models saw them, and in which parts of embeddings two can be compared."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cu_pipeline.core.capability import Kind, split_label
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.lean import ranks
from cu_pipeline.drift.stretches import TrafficCounts
from cu_pipeline.drift.unit_design import Mask


@dataclass(frozen=True)
class ClipSample:
    """Clips as a model saw them: what it was given and what it answered.

    Attributes:
        table: one row a clip, with the columns `embedding` (a vector), `parts` (JSON object: what made the
            embedding's parts -> their widths, in order), one a fact, `labels` (JSON object
            capability -> label), `predictions` (JSON object capability -> class -> probability), and possibly
            `group`, the unit that dependent clips share, by the same names on both sides; `time` and `request_id`
            of traffic; `has_caption`, `has_video`, `has_sound`, `has_screen_text`, `language`, `abstained` (JSON
            object capability -> whether), `latency_ms`, `requests` (how often the clip was sent).
        beside: what is known of traffic beside its clips; None for others. Parts of a sample do not have it.
    """

    table: pd.DataFrame
    beside: TrafficCounts | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.table)

    def with_units(self, side: str) -> "ClipSample":
        """The same clips, each with a unit: one that has none is alone, and nobody's on the other side.

        Args:
            side: a name for this side.
        """
        told = self.table["group"] if "group" in self.table else pd.Series("", self.table.index, dtype=object)
        alone = np.flatnonzero((told.fillna("") == "").to_numpy(dtype=np.bool_))
        if not len(alone) and "group" in self.table:
            return ClipSample(self.table)
        named = told.astype(object)
        named.iloc[alone] = [f"alone:{side}:{number}" for number in alone]
        return ClipSample(self.table.assign(group=named))

    def units(self) -> npt.NDArray[np.object_]:
        """The unit of each clip, shape (clips,), of a sample with units."""
        return self.table["group"].to_numpy(dtype=object)

    def thinned(self, most: int, of_unit: int, rng: np.random.Generator) -> "ClipSample":
        """At most `most` clips of a sample with units: units at random, of each at most `of_unit` clips at random.

        The last unit is cut, so that the size is `most` where there are as many clips.
        """
        unit = ranks(self.table["group"])
        turn = rng.permutation(int(unit.max(initial=-1)) + 1)[unit]
        order = np.lexsort((rng.random(len(unit)), turn))
        starts = np.r_[True, np.diff(turn[order]) != 0]
        place = np.arange(len(order)) - np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))
        kept = order[place < of_unit][:most]
        if len(kept) == len(self.table):
            return self
        return ClipSample(self.table.iloc[np.sort(kept)])

    def optional(self, name: str) -> "pd.Series[Any] | None":
        """A column that not every table has; None where it is absent, or tells nothing of any clip."""
        if name not in self.table or (self.table[name].isna() | (self.table[name] == "")).all():
            return None
        return self.table[name]

    def fact(self, name: str) -> npt.NDArray[np.float64]:
        """A fact of each clip, shape (clips,); NaN for a clip that has none.

        Raises:
            ConfigurationError: the table has no such column.
        """
        if name not in self.table:
            known = ", ".join(self.table.columns)
            raise ConfigurationError(f"monitor.facts names {name!r}; the reference has the columns {known}")
        return pd.to_numeric(self.table[name], errors="coerce").to_numpy(np.float64, na_value=np.nan)

    def parts(self) -> dict[str, int]:
        """Widths of the embeddings' parts, by what made them: those that all clips have which tell any.

        Records of earlier versions tell none.
        """
        layouts = self.table["parts"].unique() if "parts" in self.table else ()
        told = [json.loads(layout) for layout in layouts if layout != "{}"]
        first: dict[str, int] = told[0] if told else {}
        return {name: width for name, width in first.items() if all(name in other for other in told)}

    def embedding(self, part: str, otherwise: dict[str, int]) -> npt.NDArray[np.float32]:
        """A part of the embeddings at the log's half precision, shape (clips, width).

        Args:
            part: one of `parts`.
            otherwise: widths of all parts, in order, of clips that do not tell them.
        """
        layouts = self.table["parts"].to_numpy() if "parts" in self.table else np.full(len(self), "{}", dtype=object)
        places = {layout: _place(json.loads(layout) or otherwise, part) for layout in set(layouts)}
        rows = [
            np.asarray(row, dtype=np.float32)[places[layout]]
            for row, layout in zip(self.table["embedding"], layouts, strict=True)
        ]
        limit = float(np.finfo(np.float16).max)
        return np.clip(np.stack(rows), -limit, limit).astype(np.float16).astype(np.float32)

    def capabilities(self) -> set[str]:
        """The capabilities that any clip has a prediction for."""
        return {name for row in self.table["labels"].unique() for name in json.loads(row)}

    def answered(self, capability: str) -> "ClipSample":
        """The clips that a capability applies to and so has a prediction for; this very sample where all have one."""
        told = {row: capability in json.loads(row) for row in self.table["labels"].unique()}
        if all(told.values()):
            return self
        return ClipSample(self.table[self.table["labels"].map(told).to_numpy(dtype=np.bool_)])

    def labels(self, capability: str) -> list[str]:
        """The predicted label of each clip; all must have one."""
        return [json.loads(row)[capability] for row in self.table["labels"]]

    def classes(self, capability: str, kind: Kind) -> set[str]:
        """The classes that were predicted for any clip."""
        return {name for label in self.labels(capability) for name in split_label(label, kind)}

    def present(self, capability: str, kind: Kind, classes: list[str]) -> Mask:
        """Which classes were predicted, shape (clips, classes)."""
        chosen = [split_label(label, kind) for label in self.labels(capability)]
        return np.array([[name in labels for name in classes] for labels in chosen], dtype=np.bool_)

    def probabilities(self, capability: str) -> npt.NDArray[np.float64]:
        """The probability of each class, shape (clips, classes); all clips have the classes of one model."""
        rows = [json.loads(row)[capability] for row in self.table["predictions"]]
        classes = sorted({name for row in rows for name in row})
        return np.array([[row.get(name, 0.0) for name in classes] for row in rows], dtype=np.float64)

    def confidence(self, capability: str, kind: Kind) -> npt.NDArray[np.float64]:
        """How sure each prediction was, shape (clips,).

        For `single` the largest probability; for `multi` the mean over classes of max(p, 1 - p).
        """
        rows = [list(json.loads(row)[capability].values()) for row in self.table["predictions"]]
        values = [np.array(row, dtype=np.float64) for row in rows]
        if kind is Kind.SINGLE:
            return np.array([value.max() for value in values])
        return np.array([np.maximum(value, 1 - value).mean() for value in values])


def shared_parts(reference: ClipSample, current: ClipSample) -> tuple[dict[str, int], list[str]]:
    """Which parts of embeddings two snapshots can be compared in.

    Returns:
        Widths of the parts that both have, and the names of those that only the current one has: a
        reference may describe features that no served model reads.
    """
    ours, theirs = reference.parts() or current.parts(), current.parts() or reference.parts()
    shared = {name: width for name, width in ours.items() if theirs.get(name) == width}
    return shared, sorted(set(theirs) - set(shared))


def part_titles(parts: Iterable[str]) -> dict[str, str]:
    """Short titles of an embedding's parts: the extractor's name, with the fingerprint only where two share it.

    >>> part_titles(["frames@1a", "captions@2b"])
    {'frames@1a': 'frames', 'captions@2b': 'captions'}
    >>> part_titles(["frames@1a", "frames@3c"])
    {'frames@1a': 'frames@1a', 'frames@3c': 'frames@3c'}
    """
    names = Counter(part.partition("@")[0] for part in parts)
    return {part: part if names[part.partition("@")[0]] > 1 else part.partition("@")[0] for part in parts}


def _place(layout: dict[str, int], part: str) -> slice:
    before = list(layout)[: list(layout).index(part)]
    start = sum(layout[name] for name in before)
    return slice(start, start + layout[part])
