"""Whether one model is better than another on the same clips, where the clips of a unit are alike."""

import math
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.evaluation.grouping import Grouping

TEST: Final = "one-sided t test over units (cluster-robust)"
"""What the test is called."""

_ZERO: Final = 1e-12


def p_values(sums: NDArray[np.float64], sizes: NDArray[np.int64], above: float = 0.0) -> NDArray[np.float64]:
    """Test for each of several gains whether its mean over clips is above a value.

    The mean gain of a clip is judged by how units differ, not clips: a unit is a creator's clips and their
    near-duplicates, which tend to be right or wrong together. Its standard error is the cluster-robust one of a ratio
    (Liang & Zeger, Biometrika 1986, with the factor U / (U - 1)), and its t distribution has as many degrees of freedom
    as there are units of equal size that would tell as much, less one (Kish: n squared over the sum of squared sizes).

    A p-value is never below the least that a sign-flip test over the same units could give, half for each unit that
    differs, so that a handful of units that all agree proves no more than it can.

    Args:
        sums: (..., units): the gain of each unit's clips together.
        sizes: (units): clips of each unit.
        above: the value.

    Returns:
        (...): the chance of a gain as large as was seen, at most, where it is not above the value; 1 of a single unit.
    """
    from scipy.stats import t

    differing = (np.abs(sums - above * sizes) > _ZERO).sum(axis=-1)
    excess = sums.sum(axis=-1) / sizes.sum() - above
    if len(sizes) < 2:
        return np.ones_like(excess)
    error = standard_errors(sums, sizes)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error > _ZERO, excess / error, np.where(np.abs(excess) > _ZERO, np.sign(excess) * np.inf, 0.0))
    found: NDArray[np.float64] = np.maximum(t.sf(ratio, freedom(sizes)), 0.5**differing)
    return found


def standard_errors(sums: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """The cluster-robust standard errors of mean gains, for two units and more; for the arguments see `p_values`."""
    clips, units = sizes.sum(), len(sizes)
    rest = sums - (sums.sum(axis=-1) / clips)[..., np.newaxis] * sizes
    errors: NDArray[np.float64] = np.sqrt((rest**2).sum(axis=-1) * units / (units - 1)) / clips
    return errors


def freedom(sizes: NDArray[np.int64]) -> float:
    """The degrees of freedom of the t distribution.

    >>> freedom(np.array([2, 2, 2])), freedom(np.array([1, 1, 10]))
    (2.0, 1.0)
    """
    return max(float(sizes.sum()) ** 2 / float((sizes.astype(np.float64) ** 2).sum()) - 1, 1.0)


@dataclass(frozen=True)
class PairedGain:
    """What one model gains over another on the same clips, summed within units.

    Attributes:
        sums: float64 (units): the gain of each unit's clips together.
        sizes: int64 (units): clips of each unit.
    """

    sums: NDArray[np.float64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, gains: NDArray[Any], units: NDArray[Any]) -> Self:
        """Sum gains within units.

        Args:
            gains: (n): such as 1 where the first model alone is right, -1 where the second alone is, else 0.
            units: (n): what ties clips together.
        """
        groups = Grouping.of(units)
        return cls(groups.sums(gains), groups.sizes)

    @property
    def clips(self) -> int:
        """How many clips were compared."""
        return int(self.sizes.sum())

    @property
    def units(self) -> int:
        """Of how many units they are."""
        return len(self.sizes)

    @property
    def effect(self) -> float:
        """The mean gain of a clip."""
        return float(self.sums.sum() / self.clips)

    @property
    def standard_error(self) -> float:
        """Of the mean gain; NaN of a single unit."""
        return float(standard_errors(self.sums, self.sizes)) if self.units > 1 else math.nan

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the t distribution."""
        return freedom(self.sizes)

    def p_value(self, above: float = 0.0) -> float:
        """Test whether the gain is above a value, see `p_values`.

        >>> PairedGain.of(np.ones(5), np.arange(5)).p_value()
        0.03125
        >>> PairedGain.of(np.ones(5), np.zeros(5)).p_value()
        1.0
        """
        return float(p_values(self.sums, self.sizes, above))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The two-sided interval of the mean gain, by the same t distribution; -1 to 1 of a single unit."""
        from scipy.stats import t

        if self.units < 2:
            return -1.0, 1.0
        half = float(t.isf((1 - level) / 2, self.freedom)) * self.standard_error
        return self.effect - half, self.effect + half
