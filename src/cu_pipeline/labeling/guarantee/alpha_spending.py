from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from cu_pipeline.core.errors import ConfigurationError


@dataclass(frozen=True)
class Use:
    """One test on a calibration set.

    Attributes:
        test: all that decides its outcome: sources with their versions, alpha.
        clips: the calibration clips.
        delta: probability of error that it was given.
    """

    test: str
    clips: frozenset[str]
    delta: float


@dataclass(frozen=True)
class Allowance:
    """How much probability of error calibration clips may still be charged with.

    Every test on clips that served before adds its delta to theirs (union bound), whatever the other clips of
    that test are. A test that is repeated on the same clips gives the same answer and is free.

    Attributes:
        total: delta of all tests on a clip together.
        uses: so far, in order.
    """

    total: float
    uses: tuple[Use, ...] = ()

    def spent(self, clips: Collection[str]) -> float:
        """Give the sum of the deltas of all tests that used any of `clips`."""
        return sum(use.delta for use in self.uses if use.clips & frozenset(clips))

    def share(self, test: str, clips: Collection[str], turn: int) -> float:
        """Give the delta for a test.

        Turn k has total / (k (k + 1)), which adds up to the total, shared evenly by the k tests that may be made in it.

        Args:
            test: all that decides its outcome.
            clips: the calibration clips.
            turn: k, from 1.

        >>> Allowance(0.06).share("a", ["1"], 1)
        0.03
        """
        known = self._known(test, clips)
        if known is not None:
            return known.delta
        return min(self.total / (turn * turn * (turn + 1)), max(self.total - self.spent(clips), 0.0))

    def spend(self, test: str, clips: Collection[str], delta: float) -> "Allowance":
        """Charge a test to its clips.

        Raises:
            ConfigurationError: the clips have not so much left.
        """
        known = self._known(test, clips)
        if known is not None and delta <= known.delta:
            return self
        left = self.total - self.spent(clips)
        if delta > left + 1e-12:
            raise ConfigurationError(
                f"a test at delta {delta:g} on {len(clips)} calibration clips of which some served before: "
                f"{max(left, 0):g} of {self.total:g} is left. Test at most at that, or label new clips at random"
            )
        return replace(self, uses=(*self.uses, Use(test, frozenset(clips), delta)))

    def as_json(self) -> dict[str, Any]:
        """Give the record for a file."""
        uses = [{"test": use.test, "delta": use.delta, "clips": sorted(use.clips)} for use in self.uses]
        return {"total": self.total, "uses": uses}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Allowance":
        """Read what `as_json` gave."""
        uses = tuple(Use(use["test"], frozenset(use["clips"]), use["delta"]) for use in record["uses"])
        return cls(record["total"], uses)

    def _known(self, test: str, clips: Collection[str]) -> Use | None:
        same = (use for use in self.uses if use.test == test and use.clips == frozenset(clips))
        return next(same, None)
