"""Statistics of two samples, and their permutation tests: exact at any sample size, with ties, and for any statistic.

If both samples come from one distribution, every relabelling of the pooled clips is as likely as the observed
one. So the share of relabellings whose statistic is at least the observed one is a valid p-value.
"""

from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cu_pipeline.core.capability import Kind

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Statistic(Protocol):
    """A number that grows with the difference between two samples, over a fixed pool of clips."""

    def __call__(self, current: Mask) -> Floats:
        """The statistic of each relabelling.

        Args:
            current: shape (relabellings, clips), true where a clip counts as current.

        Returns:
            Shape (relabellings,).
        """
        ...

    def effect(self, current: Mask) -> float:
        """The size of the difference, from 0 (none), for one labelling of shape (clips,)."""
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
    """The p-value of a permutation test; the observed labelling counts as one of the relabellings.

    Source: Phipson & Smyth, Permutation p-values should never be zero, Stat. Appl. Genet. Mol. Biol. 9, 2010.

    >>> p_value(3.0, np.array([1.0, 2.0, 3.0]))
    0.5
    """
    tolerance = 1e-9 * max(abs(observed), 1e-9)
    return float((1 + np.count_nonzero(permuted >= observed - tolerance)) / (1 + len(permuted)))


def _unit_keys(groups: npt.NDArray[np.object_], current: Mask) -> npt.NDArray[np.str_]:
    return np.array([f"{int(side)}:{group}" for group, side in zip(groups, current, strict=True)])


class KolmogorovSmirnov:
    """The largest gap between two samples' distribution functions; its effect is the gap itself, 0 to 1.

    The p-value comes from permutation and not from the Kolmogorov distribution, which is wrong under ties.

    Args:
        values: the pooled clips', shape (clips,); NaN, a clip without the value, lies below all numbers, so a
            changed share of such clips counts as a difference.
    """

    def __init__(self, values: npt.NDArray[np.floating]) -> None:
        self._values = np.where(np.isnan(values), -np.inf, values)

    @property
    def constant(self) -> bool:
        """Whether all clips are alike."""
        return bool((self._values == self._values[0]).all())

    def __call__(self, current: Mask) -> Floats:
        """The statistic of each relabelling of shape (relabellings, clips)."""
        order, ends = self._steps
        ours = current[:, order]
        ahead = np.cumsum(ours, axis=1)[:, ends] / ours.sum(axis=1, keepdims=True)
        behind = np.cumsum(~ours, axis=1)[:, ends] / (~ours).sum(axis=1, keepdims=True)
        return np.asarray(np.abs(ahead - behind).max(axis=1), dtype=np.float64)

    def effect(self, current: Mask) -> float:
        """The largest gap."""
        return float(self(current[None])[0])

    @cached_property
    def _steps(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        order = np.argsort(self._values, kind="stable")
        ranked = self._values[order]
        last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
        return order, np.flatnonzero(last_of_tie)


class ClassMix:
    """How far two samples differ in the shares of their classes.

    The statistic is Pearson's chi-squared for a capability of kind `single`, and the sum over classes of the
    chi-squared of presence for `multi`. Its p-value comes from permutation, so rare classes do no harm. The
    effect is the share of clips that would have to change class (total variation distance) for `single`, and
    the largest change of a class's share for `multi`; both 0 to 1.

    Args:
        present: shape (clips, classes), true where a class was predicted for a clip.
        kind: of the capability.
    """

    def __init__(self, present: Mask, kind: Kind) -> None:
        self._present: npt.NDArray[np.float64] = present.astype(np.float64)
        self._kind = kind

    @property
    def constant(self) -> bool:
        """Whether all clips are alike."""
        return bool((self._present == self._present[0]).all())

    def __call__(self, current: Mask) -> Floats:
        """The statistic of each relabelling of shape (relabellings, clips)."""
        ours, theirs = self._shares(current)
        share = self._present.mean(axis=0)
        spread = share if self._kind is Kind.SINGLE else share * (1 - share)
        size = current.sum(axis=1) * (~current).sum(axis=1) / current.shape[1]
        terms = np.divide((ours - theirs) ** 2, spread, out=np.zeros_like(ours), where=spread > 0)
        return np.asarray(size * terms.sum(axis=1), dtype=np.float64)

    def effect(self, current: Mask) -> float:
        """The share of clips whose class changed."""
        ours, theirs = self._shares(current[None])
        change = np.abs(ours - theirs)[0]
        return float(change.sum() / 2 if self._kind is Kind.SINGLE else change.max())

    def _shares(self, current: Mask) -> tuple[Floats, Floats]:
        counts = current @ self._present
        ours = current.sum(axis=1, keepdims=True)
        theirs = current.shape[1] - ours
        return counts / ours, (self._present.sum(axis=0) - counts) / theirs


BANDWIDTHS = (0.5, 1.0, 2.0)
"""Multiples of the median distance; a mean of kernels is a kernel and sees near and far differences."""


class MeanDiscrepancy:
    """The squared maximum mean discrepancy of two samples of vectors under a Gaussian kernel.

    Source: Gretton, Borgwardt, Rasch, Schölkopf & Smola, A kernel two-sample test, JMLR 13, 2012. The bandwidth
    is the median distance of the pool, which no relabelling changes, so the permutation p-value stays exact.
    The effect is the square root of the unbiased estimate, 0 (alike) to about 1.4 (far apart).

    Args:
        vectors: the pooled clips', shape (clips, dimensions).
    """

    def __init__(self, vectors: npt.NDArray[np.floating]) -> None:
        self._vectors = vectors.astype(np.float64)

    @property
    def constant(self) -> bool:
        """Whether all clips are alike."""
        return bool((self._vectors == self._vectors[0]).all())

    def __call__(self, current: Mask) -> Floats:
        """The statistic (the biased estimate) of each relabelling of shape (relabellings, clips)."""
        ours = current.sum(axis=1, keepdims=True)
        weights = current / ours - ~current / (current.shape[1] - ours)
        return np.asarray(((weights @ self._kernel) * weights).sum(axis=1), dtype=np.float64)

    def effect(self, current: Mask) -> float:
        """The square root of the unbiased estimate, 0 where that is negative."""
        kernel = self._kernel
        across = kernel[np.ix_(current, ~current)].mean()
        squared = _off_diagonal_mean(kernel, current) + _off_diagonal_mean(kernel, ~current) - 2 * across
        return float(np.sqrt(max(0.0, squared)))

    @cached_property
    def _kernel(self) -> Floats:
        centred = self._vectors - self._vectors.mean(axis=0)
        norms = (centred**2).sum(axis=1)
        squared = np.maximum(norms[:, None] + norms[None, :] - 2 * centred @ centred.T, 0)
        np.fill_diagonal(squared, 0)
        positive = squared[squared > 1e-12 * squared.max()]
        median = np.median(positive)
        return np.asarray(np.mean([np.exp(-squared / (2 * b**2 * median)) for b in BANDWIDTHS], axis=0))


def _off_diagonal_mean(kernel: Floats, chosen: Mask) -> float:
    within = kernel[np.ix_(chosen, chosen)]
    n = len(within)
    return float((within.sum() - np.trace(within)) / (n * (n - 1)))
