"""How often test clips have decided about models, and what chance of a wrong promotion is left for the next one."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

import pandas as pd

from cu_pipeline.core.checked import checked

FIRST: Final = 0.7
"""The share of alpha that the first test on fresh clips gets."""

MAJORITY: Final = ""
"""In the place of the champion's version, where a model was held against the majority since there is no champion."""

AGAIN: Final = 0.25
"""A pair of models is tested anew once there are so many more test clips, as a share of those that they had."""


@dataclass(frozen=True)
class GateTest:
    """One test of a challenger that was made, and what it spent.

    Attributes:
        time: when, ISO 8601 in UTC.
        capability: whose models.
        challenger: version of its bundle.
        champion: likewise; `MAJORITY` where there was none.
        alpha: level of the test, which is spent.
        p_value: what came out.
        effect: the challenger's gain in accuracy.
        clips: how many it was on.
        units: of how many units.
        added: keys of the test clips that the test before this one in the same account did not have; sorted.
        dropped: keys of those that only that one had; sorted.
        shortfall: of a challenger that was promoted, by which it may lie below the best champion before it, see
            `margin.Margin`.
    """

    time: str
    capability: str
    challenger: str
    champion: str
    alpha: float
    p_value: float
    effect: float
    clips: int
    units: int
    added: tuple[str, ...]
    dropped: tuple[str, ...]
    shortfall: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the challenger was shown to be better."""
        return self.p_value <= self.alpha

    def as_json(self) -> dict[str, Any]:
        """Write it for the account; most models have no shortfall, and say nothing of it."""
        written = asdict(self)
        return written if self.shortfall else {name: value for name, value in written.items() if name != "shortfall"}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read a line of the account.

        Raises:
            ValueError: a value has another type.
        """
        return checked(cls, record)


def level(tests: float, alpha: float) -> float:
    """The level of a test on clips that have been in `tests` tests on average.

    The tests on one set of clips get 0.7, 0.15, 0.05, 0.025, ... of alpha: what is left after k tests is 0.3 / k, so
    all of them together never reach alpha. Between whole numbers it is a line or the same formula, and convex.

    >>> [round(level(tests, 0.05), 5) for tests in (0, 1, 2, 3)]
    [0.035, 0.0075, 0.0025, 0.00125]
    """
    rest = 1 - FIRST
    if tests < 1:
        return alpha * (FIRST + tests * (rest / 2 - FIRST))
    return alpha * rest / (tests * (tests + 1))


def spent(tests: float, alpha: float) -> float:
    """What tests on one set of clips have spent together.

    >>> [round(spent(tests, 0.05), 5) for tests in (0, 1, 2)]
    [0.0, 0.035, 0.0425]
    """
    return alpha * (FIRST * tests if tests < 1 else 1 - (1 - FIRST) / tests)


@dataclass(frozen=True)
class Standing:
    """What a set of test clips has been used for.

    Attributes:
        tests: in which the clips were, on average; a clip counts with the most of its unit.
        made: how many tests of the capability there were at all.
        fresh: share of the clips whose unit was in none.
        alpha: level of the next test.
        spent: of alpha, by these clips.
    """

    tests: float
    made: int
    fresh: float
    alpha: float
    spent: float

    def to_json(self) -> dict[str, Any]:
        """A part of a row of `gate.json`."""
        return asdict(self)


class Account:
    """The tests that were made of one capability's models, in order.

    Those against champions and those of models that stood alone, against the majority, have an account each: the second
    ask whether anything was learned, and would else use up what the first real challenger needs.

    Args:
        capability: its name.
        tests: of all capabilities.
        alone: whether it is that of models that stood alone.
    """

    def __init__(self, capability: str, tests: Iterable[GateTest], *, alone: bool = False) -> None:
        self.capability = capability
        self._tests = [one for one in tests if one.capability == capability and (one.champion == MAJORITY) == alone]
        self._present: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._known: dict[tuple[str, str], tuple[GateTest, frozenset[str]]] = {}
        for test in self._tests:
            self._present = (self._present - set(test.dropped)) | set(test.added)
            self._counts.update(self._present)
            self._known[test.challenger, test.champion] = (test, frozenset(self._present))

    def standing(self, keys: Sequence[str], units: Sequence[str], alpha: float) -> Standing:
        """Look up what test clips were used for.

        Args:
            keys: (n): what names each clip's content.
            units: (n): what ties clips together.
            alpha: chance of any wrong promotion on one set of test clips.
        """
        uses = pd.Series([self._counts[key] for key in keys], dtype="float64")
        by_unit = uses.groupby(pd.Series(units, dtype="object").astype(str)).transform("max")
        tests = float(by_unit.mean())
        return Standing(tests, len(self._tests), float((by_unit == 0).mean()), level(tests, alpha), spent(tests, alpha))

    def shortfall(self, version: str | None) -> float:
        """By how much a champion may lie below the best one before it, as its last test says; 0 without one."""
        return next((one.shortfall for one in reversed(self._tests) if one.challenger == version), 0.0)

    def answered(self, challenger: str, champion: str, keys: Iterable[str]) -> GateTest | None:
        """Find the test of the same two models, unless there are so many new clips that another is due."""
        test, clips = self._known.get((challenger, champion), (None, frozenset()))
        new = set(keys) - clips
        return None if test is None or len(new) >= max(AGAIN * len(clips), 1) else test

    def enter(
        self, models: tuple[str, str], found: tuple[float, float, float], keys: Sequence[str], units: int
    ) -> GateTest:
        """Make the entry of a test.

        Args:
            models: versions of the challenger and the champion.
            found: level, p-value and effect.
            keys: of the clips.
            units: how many there are.
        """
        now = set(keys)
        return GateTest(
            datetime.now(UTC).isoformat(timespec="seconds"),
            self.capability,
            *models,
            *found,
            len(keys),
            units,
            tuple(sorted(now - self._present)),
            tuple(sorted(self._present - now)),
        )
