from functools import cached_property

import numpy as np
import numpy.typing as npt

from cu_pipeline.drift.permutation import Floats, Mask

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
        """Give the statistic (the biased estimate) of each relabelling of shape (relabellings, clips)."""
        ours = current.sum(axis=1, keepdims=True)
        weights = current / ours - ~current / (current.shape[1] - ours)
        return np.asarray(((weights @ self._kernel) * weights).sum(axis=1), dtype=np.float64)

    def effect(self, current: Mask) -> float:
        """Give the square root of the unbiased estimate, 0 where that is negative."""
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
