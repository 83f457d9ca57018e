"""The clips that causes are looked for in: what models learned from, the window, and the traffic before it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from cu_pipeline.drift.diagnosis_options import DiagnosisOptions
from cu_pipeline.drift.novelty import distances
from cu_pipeline.drift.samples import ClipSample, shared_parts
from cu_pipeline.drift.stretches import TrafficCounts
from cu_pipeline.features.table import modality_of

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

MOST_BEFORE: Final = 3000
"""Clips of the references that are held against traffic."""

MOST_RECENT: Final = 4000
"""Clips of the traffic, the latest ones."""

NOVEL: Final = (0.95, 0.99)
"""Quantiles of the references' own distances: a clip beyond the first is novel, one beyond the second surely so."""

_LEAST_PRESENT: Final = 20
_LEAST_KNOWN: Final = 2


@dataclass(frozen=True)
class Novelty:
    """How far clips are from all that models learned from, in one part of the embeddings.

    Attributes:
        part: its name.
        before: of the references' clips, (before,); NaN where a clip lacks the part.
        recent: of the recent clips, (recent,); likewise.
        limits: distances of `NOVEL`.
    """

    part: str
    before: Floats
    recent: Floats
    limits: tuple[float, float]

    @property
    def modality(self) -> str:
        """What the part looks at."""
        return modality_of(self.part.partition("@")[0])


@dataclass(frozen=True)
class Evidence:
    """Clips on both sides.

    Attributes:
        references: capability -> what its model learned from.
        before: the clips of all of them, each once.
        recent: the latest clips of the traffic, oldest first.
        window: which of these are compared, (recent,).
        left: which of the window no cause explains yet, (recent,).
        traffic: the whole.
        drifted: kind of test -> names of those that drifted.
        options: when a cause is named.
        period: start of the latest period, where what the service does was tested in it.
    """

    references: Mapping[str, ClipSample]
    before: ClipSample
    recent: ClipSample
    window: Mask
    left: Mask
    traffic: TrafficCounts
    drifted: Mapping[str, tuple[str, ...]]
    options: DiagnosisOptions
    period: datetime | None = None

    def start_of(self, kind: str) -> pd.Timestamp:
        """When what changed in the service is looked for from: where a test found it, or the window's first clip."""
        if kind in self.drifted and self.period is not None:
            return pd.Timestamp(self.period)
        return pd.Timestamp(self.now["time"].min())

    def without(self, involved: Mask) -> "Evidence":
        """The same, with clips of the window taken for explained.

        Args:
            involved: which, (window,).
        """
        left = self.left.copy()
        left[np.flatnonzero(self.window)[involved]] = False
        found = replace(self, left=left)
        found.__dict__["novelties"] = self.novelties
        return found

    def of_window(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What recent clips have, of the window's alone."""
        return values[self.window]

    @property
    def left_of_window(self) -> Mask:
        """Which of the window's clips no cause explains yet, (window,)."""
        return self.left[self.window]

    @property
    def now(self) -> pd.DataFrame:
        """The window's clips."""
        return self.recent.table[self.window]

    @cached_property
    def units(self) -> npt.NDArray[np.object_]:
        """Of the recent clips."""
        return self.recent.table["group"].to_numpy(dtype=object)

    @cached_property
    def units_before(self) -> npt.NDArray[np.object_]:
        """Of the references' clips."""
        return self.before.table["group"].to_numpy(dtype=object)

    def numbers(self, side: ClipSample, name: str) -> Floats:
        """A column of numbers; NaN where the table does not tell."""
        if name not in side.table:
            return np.full(len(side), np.nan)
        return pd.to_numeric(side.table[name], errors="coerce").to_numpy(np.float64)

    def texts(self, side: ClipSample, name: str) -> npt.NDArray[np.object_]:
        """A column of texts; "" where the table does not tell."""
        if name not in side.table:
            return np.full(len(side), "", dtype=object)
        return side.table[name].fillna("").to_numpy(dtype=object)

    def rise(self, before: Floats, recent: Floats, left: Mask | None = None) -> tuple[float, float]:
        """How much higher a number is in the window than before, and by how many standard errors.

        Args:
            before: of the references' clips; NaN where a clip has none.
            recent: of the recent clips.
            left: which of these count; None: those of the window that no cause explains yet.
        """
        chosen = self.left if left is None else left
        return rise(before, self.units_before, recent[chosen], self.units[chosen])

    def rise_of(
        self, before: Floats, units: npt.NDArray[np.object_], recent: Floats, chosen: Mask
    ) -> tuple[float, float]:
        """How much higher a number of recent clips is than of other clips, whose units are told; see `rise`."""
        return rise(before, units, recent[chosen], self.units[chosen])

    @cached_property
    def novelties(self) -> list[Novelty]:
        """Of every part of the embeddings that both sides have."""
        shared, _ = shared_parts(self.before, self.recent)
        return [found for part in shared if (found := self._novelty(part)) is not None]

    def vectors(self, part: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """A part of the embeddings of both sides."""
        layout = self.before.parts() or self.recent.parts()
        found = [side.embedding(part, layout).astype(np.float32) for side in (self.before, self.recent)]
        return found[0], found[1]

    def _novelty(self, part: str) -> Novelty | None:
        vectors = self.vectors(part)
        has = [np.abs(one).max(axis=1) > 0 for one in vectors]
        if min(one.sum() for one in has) < _LEAST_PRESENT:
            return None
        units = [self.units_before[has[0]], self.units[has[1]]]
        pool = np.concatenate([one[mask] for one, mask in zip(vectors, has, strict=True)])
        far = distances(pool, np.concatenate(units), int(has[0].sum())).astype(np.float64)
        whole = [np.full(len(mask), np.nan) for mask in has]
        whole[0][has[0]], whole[1][has[1]] = far[: has[0].sum()], far[has[0].sum() :]
        finite = whole[0][np.isfinite(whole[0])]
        if not len(finite):
            return None
        first, second = (float(limit) for limit in np.quantile(finite, NOVEL))
        return Novelty(part, whole[0], whole[1], (first, second))


def rise(
    before: Floats, units_before: npt.NDArray[np.object_], now: Floats, units_now: npt.NDArray[np.object_]
) -> tuple[float, float]:
    """The difference of two means, and how many standard errors it is, clips of a unit counting together.

    What a unit adds to both means goes out of the difference again.

    Source: Liang & Zeger, Longitudinal data analysis using generalized linear models, Biometrika 73, 1986.
    """
    known = [np.isfinite(values) for values in (before, now)]
    if min(mask.sum() for mask in known) < _LEAST_KNOWN:
        return 0.0, 0.0
    values = [side[mask] for side, mask in zip((before, now), known, strict=True)]
    names = [side[mask].astype(str) for side, mask in zip((units_before, units_now), known, strict=True)]
    apart = [-(values[0] - values[0].mean()) / len(values[0]), (values[1] - values[1].mean()) / len(values[1])]
    _, unit = np.unique(np.concatenate(names), return_inverse=True)
    sums = np.bincount(unit, np.concatenate(apart))
    fewer = min(len(set(side)) for side in names)
    error = float(np.sqrt((sums**2).sum() * fewer / max(1, fewer - 1) + 0.25 / min(map(len, values)) ** 2))
    difference = float(values[1].mean() - values[0].mean())
    return difference, difference / error
