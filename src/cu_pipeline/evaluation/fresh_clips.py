"""Two distributions before the gate: test clips drawn from what the service saw, and those of before."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.evaluation.contest import Contest
from cu_pipeline.evaluation.paired_test import PairedGain

LEAST_UNITS: Final = 5
"""Units of fresh clips from which they count by themselves; fewer can show nothing."""


@dataclass(frozen=True)
class Strata:
    """The challenger's gain on fresh test clips and on the others.

    Attributes:
        fresh: on those drawn at random from what the service saw.
        earlier: on the others; None: there are none.
        units: of the fresh ones.
    """

    fresh: PairedGain
    earlier: PairedGain | None
    units: int

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
        number = len(set(units[chosen]))
        if number < LEAST_UNITS:
            return None
        earlier = None if chosen.all() else PairedGain.of(gains[~chosen], units[~chosen])
        return cls(PairedGain.of(gains[chosen], units[chosen]), earlier, number)

    def p_value(self, overall: PairedGain) -> float:
        """Of the better of two tests, on all clips and on the fresh ones alone, paid for by Bonferroni's inequality.

        A drift that the challenger has learned from shows on fresh clips most; beside many earlier ones it drowns.
        """
        return min(1.0, 2 * min(overall.p_value(), self.fresh.p_value()))

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
            "units": self.units,
            "effect": self.fresh.effect,
            "interval": self.fresh.interval(),
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
