"""What a test could see, told before anybody waits for it."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.evaluation.paired_test import PairedGain, freedom

SURE: Final = 0.8
"""The chance that a gain is seen which is said to be visible."""

WISHED: Final = 0.05
"""A gain in accuracy that one would like to see."""

DIFFER: Final = 0.2
"""Share of answers in which two models differ, where none were compared."""

_ALIKE: Final = 0.2


@dataclass(frozen=True)
class Power:
    """What a one-sided paired test over units can tell.

    Attributes:
        clips: labelled test clips.
        units: that they are of: creators, each with the near-duplicates of their clips.
        alpha: level of the test.
        smallest_gain: in accuracy, that is seen with a chance of 80 %.
        more_clips: further labelled test clips of new creators, that show a gain of 5 points likewise.
        assumed: whether it was supposed how much the models differ, since none were compared.
    """

    clips: int
    units: int
    alpha: float
    smallest_gain: float
    more_clips: int
    assumed: bool

    def to_json(self) -> dict[str, Any]:
        """A part of a row of `gate.json`."""
        return asdict(self) | {"wished_gain": WISHED}

    def __str__(self) -> str:
        told = f"with {self.units} units a gain under {100 * self.smallest_gain:.0f} points will mostly go unseen"
        if self.smallest_gain >= 1:
            told = f"{self.units} {'unit is' if self.units == 1 else 'units are'} too few to show any gain"
        if self.more_clips:
            told += f"; {self.more_clips:,} more labelled test clips would show {100 * WISHED:.0f}"
        return told


def power_of(gain: PairedGain, alpha: float) -> Power:
    """Find what a test at level `alpha` sees, where two models differ as they did.

    Two that hardly differ, such as two that name the commonest class always, tell nothing of a better one: that differs
    in as many answers, at least, as it is better by.
    """
    error = gain.standard_error
    if math.isfinite(error):
        error = max(error, _assumed_error(gain.sizes, WISHED))
    return _power(gain.sizes, error, alpha, assumed=False)


def power_assumed(units: NDArray[Any], alpha: float) -> Power:
    """Find what a test on clips of `units` would see of a model that differs from another in a fifth of the answers."""
    _, sizes = np.unique(units.astype(str), return_counts=True)
    return _power(sizes.astype(np.int64), _assumed_error(sizes, DIFFER), alpha, assumed=True)


def _assumed_error(sizes: NDArray[np.int64], differ: float) -> float:
    """The standard error of a gain, where models differ in a share of the answers and clips of a unit are alike."""
    return math.sqrt(differ * float((sizes + _ALIKE * sizes * (sizes - 1)).sum()) / float(sizes.sum()) ** 2)


def _power(sizes: NDArray[np.int64], standard_error: float, alpha: float, *, assumed: bool) -> Power:
    """The gain at which the test's quantile and that of the wished chance meet.

    As many units have to differ, by a clip at least, as the test asks for at this level (see `p_values`).
    """
    from scipy.stats import norm, t

    clips, units = int(sizes.sum()), len(sizes)
    enough = math.ceil(-math.log2(alpha))
    error = standard_error if math.isfinite(standard_error) else 1.0
    degrees = freedom(sizes)
    smallest = max(error * float(t.isf(alpha, degrees) + t.ppf(SURE, degrees)), enough / clips)
    wanted = max(
        clips * (error * float(norm.isf(alpha) + norm.ppf(SURE)) / WISHED) ** 2,
        enough / WISHED,
        enough * clips / units,
    )
    smallest = min(smallest, 1.0) if units >= enough else 1.0
    return Power(clips, units, alpha, smallest, max(math.ceil(wanted) - clips, 0), assumed)
