"""How much accuracy promotions of models that are not shown to be better may cost, all in a row together."""

import math
from dataclasses import dataclass

from cu_pipeline.evaluation.paired_test import PairedGain


@dataclass(frozen=True)
class Margin:
    """What is left of the margin within which a model that is not worse is promoted.

    Each promotion within a margin may be a small loss, and many in a row would be a large one. So it is kept how far,
    at most, the champion lies below the best one before it: lower bounds of the gains of all promotions are added up,
    and what one is shown to gain is taken off (the drawdown of a sum, as in Page's test, Biometrika 1954). Where no
    bound is wrong, which happens to one with a chance of its test's level, no champion is worse than the best before it
    by more than the margin.

    Attributes:
        whole: `evaluate.gate.non_inferiority_margin`.
        shortfall: of the champion, by which it may lie below the best one before it.
    """

    whole: float
    shortfall: float = 0.0

    @property
    def left(self) -> float:
        """By how much a challenger may be worse than this champion."""
        return max(self.whole - self.shortfall, 0.0)

    def low(self, gain: PairedGain, level: float) -> float:
        """The lower bound of a gain that is wrong with a chance of `level`; -1 of a single unit.

        Its standard error is no smaller than that of as many units of equal size of which a share like the margin is
        lost: where models seldom differ, few clips may show none of the losses, and no spread either.
        """
        from scipy.stats import t

        if gain.units < 2:
            return -1.0
        least = math.sqrt(self.whole * (1 - self.whole) / (gain.freedom + 1))
        return gain.effect - float(t.isf(level, gain.freedom)) * max(gain.standard_error, least)

    def allows(self, gain: PairedGain, level: float) -> bool:
        """Whether a challenger is shown not to be worse by more than what is left."""
        return self.whole > 0 and self.low(gain, level) >= -self.left

    def after(self, gain: PairedGain, level: float, *, better: bool) -> float:
        """The shortfall of a challenger that is promoted.

        Args:
            gain: the challenger's in accuracy.
            level: of the test that counts.
            better: whether it is shown to be better, perhaps on a part of the clips, so that it makes nothing worse.
        """
        low = self.low(gain, level)
        return max(self.shortfall - (max(low, 0.0) if better else low), 0.0)
