from functools import cached_property

import numpy as np
import numpy.typing as npt

from cu_pipeline.drift.permutation import Floats, Mask


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
        """Give the statistic of each relabelling of shape (relabellings, clips)."""
        order, ends = self._steps
        ours = current[:, order]
        ahead = np.cumsum(ours, axis=1)[:, ends] / ours.sum(axis=1, keepdims=True)
        behind = np.cumsum(~ours, axis=1)[:, ends] / (~ours).sum(axis=1, keepdims=True)
        return np.asarray(np.abs(ahead - behind).max(axis=1), dtype=np.float64)

    def effect(self, current: Mask) -> float:
        """Give the largest gap."""
        return float(self(current[None])[0])

    @cached_property
    def _steps(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        order = np.argsort(self._values, kind="stable")
        ranked = self._values[order]
        last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
        return order, np.flatnonzero(last_of_tie)
