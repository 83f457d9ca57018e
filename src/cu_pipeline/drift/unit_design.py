"""Which clips are of which unit and side, and what chance alone might have drawn; see `unit_statistics`."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]

LEAST_UNITS: Final = 5
"""A part of the difference (between, within) that fewer units tell of is left out."""

_AT_ONCE: Final = 1000


@dataclass(frozen=True)
class UnitDesign:
    """Which clips are of which unit and side.

    Attributes:
        unit: number of each clip's unit, shape (clips,).
        current: whether it is current, shape (clips,).
        counts: clips of each unit, before and now, shape (units, 2).
    """

    unit: npt.NDArray[np.int64]
    current: Mask
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, groups: npt.NDArray[np.object_], current: Mask) -> "UnitDesign":
        """Number the units of clips.

        Args:
            groups: names of the clips' units, shape (clips,).
            current: shape (clips,).
        """
        names, unit = np.unique(groups.astype(str), return_inverse=True)
        counts = np.bincount(2 * unit + current, minlength=2 * len(names)).reshape(-1, 2)
        return cls(unit.astype(np.int64), current, counts)

    @cached_property
    def known(self) -> Mask:
        """Units that both sides have and that are enough to tell, shape (units,)."""
        both = (self.counts > 0).all(axis=1)
        return np.asarray(both & (both.sum() >= LEAST_UNITS))

    @cached_property
    def apart(self) -> Mask:
        """Units that one side has, where either side has enough of them, shape (units,)."""
        sides = [(self.counts[:, side] > 0) & (self.counts[:, 1 - side] == 0) for side in (0, 1)]
        enough = all(side.sum() >= LEAST_UNITS for side in sides)
        return np.asarray((sides[0] | sides[1]) & enough)

    @property
    def tells(self) -> bool:
        """Whether there are units enough for any test."""
        return bool(self.known.any() or self.apart.any())

    @property
    def now(self) -> Mask:
        """Of the units that one side has, which are current, shape (units apart,)."""
        return np.asarray(self.counts[self.apart, 1] > 0)

    @cached_property
    def blocks(self) -> "Blocks":
        """The blocks of clips of known units."""
        return Blocks.of(self)

    def as_it_is(self) -> "Draw":
        """The draw that calls current what is current."""
        return Draw(self.now[None], self.blocks.chosen(np.zeros((1, len(self.blocks.starts)), dtype=np.int64)))

    def draws(self, number: int, rng: np.random.Generator) -> "Iterator[Draw]":
        """Draw what might as well be current, in portions."""
        for first in range(0, number, _AT_ONCE):
            size = min(_AT_ONCE, number - first)
            called = rng.permuted(np.tile(self.now, (size, 1)), axis=1)
            places = (rng.random((size, len(self.blocks.starts))) * self.blocks.numbers).astype(np.int64)
            yield Draw(np.asarray(called, dtype=np.bool_), self.blocks.chosen(places))


@dataclass(frozen=True)
class Draw:
    """What is called current, once a row.

    Attributes:
        units: of those that one side has, shape (draws, units apart).
        blocks: of known units, one each: the block of the side that has fewer clips, shape (draws, blocks).
    """

    units: Mask
    blocks: Mask


@dataclass(frozen=True)
class Blocks:
    """Blocks of clips of known units, those of a unit one after the other; the first is that of the smaller side.

    Attributes:
        of_clip: number of each clip's block; -1 for clips of other units.
        starts: first block of each known unit.
        numbers: how many blocks each known unit has.
        signs: of each known unit, 1 where the current side has fewer clips, -1 where the reference has.
    """

    of_clip: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int64]
    signs: Floats

    @classmethod
    def of(cls, design: UnitDesign) -> "Blocks":
        """Cut the known units of a design into blocks."""
        known = np.flatnonzero(design.known)
        counts = design.counts[known]
        fewer, more = counts.min(axis=1), counts.max(axis=1)
        smaller = (counts[:, 1] <= counts[:, 0]).astype(np.int64)  # the side with fewer clips
        numbers = 1 + more // np.maximum(fewer, 1)
        starts = np.cumsum(numbers) - numbers
        place = np.full(len(design.counts), -1)
        place[known] = np.arange(len(known))
        of_clip, unit = np.full(len(design.unit), -1, dtype=np.int64), place[design.unit]
        mine = np.flatnonzero(unit >= 0)
        is_smaller = design.current[mine] == smaller[unit[mine]]
        of_clip[mine[is_smaller]] = starts[unit[mine[is_smaller]]]
        rest = mine[~is_smaller]
        rest = rest[np.argsort(unit[rest], kind="stable")]
        rank = np.arange(len(rest)) - np.searchsorted(unit[rest], unit[rest])
        of_clip[rest] = starts[unit[rest]] + 1 + rank * (numbers[unit[rest]] - 1) // more[unit[rest]]
        return cls(of_clip, starts, numbers, np.asarray(smaller * 2 - 1, dtype=np.float64))

    @property
    def unit(self) -> npt.NDArray[np.int64]:
        """The known unit of each block, shape (blocks,)."""
        return np.repeat(np.arange(len(self.starts)), self.numbers)

    def chosen(self, places: npt.NDArray[np.int64]) -> Mask:
        """Mark one block of each unit, (draws, blocks), by its place among the unit's, (draws, known units)."""
        marked = np.zeros((len(places), int(self.numbers.sum())), dtype=np.bool_)
        marked[np.arange(len(places))[:, None], self.starts + places] = True
        return marked
