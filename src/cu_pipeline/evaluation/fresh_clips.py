"""Two distributions before the gate: clips drawn from what the service saw to test on, and those of before."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.evaluation.account import Account
from cu_pipeline.evaluation.contest import Contest
from cu_pipeline.evaluation.paired_test import PairedGain, p_values

LEAST_UNITS: Final = 5
"""Units of fresh clips from which they count by themselves; fewer can show nothing."""

FLIPS: Final = 4999
SEED: Final = 17
_ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Strata:
    """The challenger's gain on fresh test clips and on the others.

    Attributes:
        fresh: on those drawn at random from what the service saw.
        earlier: on the others; None: there are none.
        members: bool (units of all clips, in their order): which of them the fresh ones are of.
    """

    fresh: PairedGain
    earlier: PairedGain | None
    members: NDArray[np.bool_]

    @classmethod
    def of(cls, contest: Contest, gains: NDArray[np.float64]) -> Self | None:
        """Divide the clips of a contest.

        Args:
            contest: of n clips.
            gains: (n): the challenger's in accuracy.

        Returns:
            None where no clips, or too few units, were drawn.
        """
        if contest.fresh is None:
            return None
        chosen, units = contest.fresh, contest.units
        members = np.isin(np.unique(units), units[chosen])
        if members.sum() < LEAST_UNITS:
            return None
        earlier = None if chosen.all() else PairedGain.of(gains[~chosen], units[~chosen])
        return cls(PairedGain.of(gains[chosen], units[chosen]), earlier, members)

    def held(self, overall: PairedGain, contest: Contest, account: Account, alpha: float) -> tuple[float, float]:
        """Find the p-value of the better of two tests, and the level that it is held against.

        Each of the two has the level that its own clips leave. Fresh clips have served for no decision yet, however
        often those of before have, and what is shown on them need not pay for earlier tests.

        Args:
            overall: the gain on all clips.
            contest: of the clips.
            account: of the capability.
            alpha: chance of any wrong promotion on one set of test clips.
        """
        keys, chosen = np.asarray(contest.keys, dtype=object), contest.fresh
        levels = (
            account.standing(contest.keys, list(contest.units), alpha).alpha,
            account.standing(list(keys[chosen]), list(contest.units[chosen]), alpha).alpha,
        )
        level = max(levels)
        return self.p_value(overall, (level / levels[0], level / levels[1])), level

    def p_value(self, overall: PairedGain, prices: tuple[float, float] = (1.0, 1.0)) -> float:
        """Of the better of two tests, on all clips and on the fresh ones alone.

        A drift that the challenger has learned from shows on fresh clips most; beside many earlier ones it drowns. The
        two tests share clips, so that paying for both by Bonferroni's inequality would be too dear: how small the
        smaller p-value is by chance is found by giving the gains of units random signs (Westfall & Young, 1993).

        Args:
            overall: the gain on all clips.
            prices: factors of the two tests' p-values, where they have different levels.
        """
        least = min(prices[0] * overall.p_value(), prices[1] * self.fresh.p_value())
        signs = np.random.default_rng(SEED).choice([-1.0, 1.0], size=(FLIPS, overall.units))
        by_chance = np.minimum(
            prices[0] * p_values(overall.sums * signs, overall.sizes),
            prices[1] * p_values(self.fresh.sums * signs[:, self.members], self.fresh.sizes),
        )
        found = (1 + int((by_chance <= least * (1 + _ROUNDING)).sum())) / (1 + FLIPS)
        return min(max(found, least), 2 * least, 1.0)

    def faults(self, margin: float) -> Iterator[str]:
        """Say what keeps a challenger back that gains on new clips at the cost of the others.

        The loss that was seen counts, not one that is shown: nobody promised what was known before away.

        Args:
            margin: by which accuracy may fall on the earlier clips.
        """
        if self.earlier is not None and self.earlier.effect < -margin:
            yield (
                f"it falls by {-100 * self.earlier.effect:.1f} points on the {self.earlier.clips} test clips of "
                f"before, more than the {100 * margin:g} that evaluate.gate.slice_margin allows"
            )

    def to_json(self) -> dict[str, Any]:
        """A part of a row of `gate.json`."""
        return {
            "clips": self.fresh.clips,
            "units": self.fresh.units,
            "effect": self.fresh.effect,
            "interval": self.fresh.interval(),
            "freedom": self.fresh.freedom,
            "p_value": self.fresh.p_value(),
            "earlier_clips": 0 if self.earlier is None else self.earlier.clips,
            "earlier_effect": None if self.earlier is None else self.earlier.effect,
        }

    def __str__(self) -> str:
        told = (
            f"on {self.fresh.clips} of them, drawn from what the service saw, it is {100 * self.fresh.effect:+.1f} "
            f"points (p = {self.fresh.p_value():.2g})"
        )
        if self.earlier is None:
            return told
        return f"{told}, on the {self.earlier.clips} of before {100 * self.earlier.effect:+.1f} points"
