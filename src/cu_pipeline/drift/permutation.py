"""Permutation tests of two samples: exact at any sample size, with ties, and for any statistic.

If both samples come from one distribution, every relabelling of the pooled clips is as likely as the observed
one. So the share of relabellings whose statistic is at least the observed one is a valid p-value.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Statistic(Protocol):
    """A number that grows with the difference between two samples, over a fixed pool of clips."""

    def __call__(self, current: Mask) -> Floats:
        """Give the statistic of each relabelling.

        Args:
            current: shape (relabellings, clips), true where a clip counts as current.

        Returns:
            Shape (relabellings,).
        """
        ...

    def effect(self, current: Mask) -> float:
        """Give the size of the difference, from 0 (none), for one labelling of shape (clips,)."""
        ...

    @property
    def constant(self) -> bool:
        """Whether all clips are alike, so that no labelling could differ from another."""
        ...


def relabellings(
    current: Mask, permutations: int, rng: np.random.Generator, groups: npt.NDArray[np.object_] | None = None
) -> Mask:
    """Draw random relabellings of a pool.

    Args:
        current: shape (clips,), the observed labelling.
        permutations: how many to draw.
        rng: source of randomness.
        groups: shape (clips,): clips of one group (a creator, say) move together, since they depend on each
            other. Exact if no group has clips on both sides; the parts of one that has move on their own.

    Returns:
        Shape (permutations, clips).
    """
    keys = np.arange(len(current)) if groups is None else _unit_keys(groups, current)
    _, first, unit = np.unique(keys, return_index=True, return_inverse=True)
    sides = np.tile(current[first], (permutations, 1))
    return np.asarray(rng.permuted(sides, axis=1)[:, unit])


def p_value(observed: float, permuted: Floats) -> float:
    """Give the p-value of a permutation test; the observed labelling counts as one of the relabellings.

    Source: Phipson & Smyth, Permutation p-values should never be zero, Stat. Appl. Genet. Mol. Biol. 9, 2010.

    >>> p_value(3.0, np.array([1.0, 2.0, 3.0]))
    0.5
    """
    tolerance = 1e-9 * max(abs(observed), 1e-9)
    return float((1 + np.count_nonzero(permuted >= observed - tolerance)) / (1 + len(permuted)))


def _unit_keys(groups: npt.NDArray[np.object_], current: Mask) -> npt.NDArray[np.str_]:
    return np.array([f"{int(side)}:{group}" for group, side in zip(groups, current, strict=True)])
