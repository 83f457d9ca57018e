"""Evidence that may be looked at after every observation: wealth of a gambler who bets against a hypothesis.

Under the hypothesis that the next observation's mean is at most `null`, whatever came before, the wealth of a gambler
who starts with 1 and stakes a fixed fraction on the observation being larger is a nonnegative supermartingale; so is
the mean over several fractions. By Ville's inequality it ever reaches 1/alpha with a chance of at most alpha: the test
may be stopped at any time, on any ground (Howard et al., "Time-uniform Chernoff bounds", 2020; Waudby-Smith and Ramdas,
"Estimating means of bounded random variables by betting", 2023). The fractions are fixed beforehand and observations
take few values, so that counts tell all.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

FRACTIONS: Final[Floats] = np.array([0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
"""Of what could at most be staked without a debt; the gambler has a purse for each, all of the same size."""

_CANDIDATES: Final = 801


@dataclass(frozen=True)
class Tally:
    """How often observations of -1, 0 and 1 were made, one a unit."""

    down: int = 0
    same: int = 0
    up: int = 0

    @property
    def n(self) -> int:
        """Observations."""
        return self.down + self.same + self.up

    @property
    def mean(self) -> float:
        """Of the observations; 0 of none."""
        return (self.up - self.down) / self.n if self.n else 0.0

    @property
    def flipped(self) -> "Tally":
        """Of the observations with the sign turned."""
        return Tally(self.up, self.same, self.down)

    def add(self, value: int) -> "Tally":
        """With an observation more."""
        return Tally(self.down + (value < 0), self.same + (value == 0), self.up + (value > 0))


def log_wealth(counts: ArrayLike, null: ArrayLike, low: float = -1.0) -> Floats:
    """Evidence against "the mean is at most `null`".

    Args:
        counts: (..., 3), observations of -1, 0 and 1.
        null: means, of shape (...) or one that goes with it; above `low`.
        low: the smallest value that an observation may have, -1 or 0; what is below counts as that.

    Returns:
        Natural logarithms of the wealth, shape (...).

    >>> log_wealth([0, 0, 0], 0.0).item()
    0.0
    >>> bool(log_wealth([5, 60, 35], 0.0) > np.log(1 / 0.05) > log_wealth([20, 60, 20], 0.0))
    True
    """
    means = np.asarray(null, dtype=np.float64)[..., None]
    gains = [np.log1p(FRACTIONS * np.maximum(value - means, low - means) / (means - low)) for value in (-1, 0, 1)]
    seen = np.asarray(counts, dtype=np.float64)[..., None]
    logs = sum(seen[..., index, :] * gain for index, gain in enumerate(gains))
    top = np.max(logs, axis=-1, keepdims=True)
    return np.asarray(top[..., 0] + np.log(np.mean(np.exp(logs - top), axis=-1)))


class Watch:
    """Evidence that the mean is above `null`, from the beginning or since any time: what begins late is found too.

    A gambler enters before each observation, with a share of the money that those who have not entered yet hold; it is
    1 in all, the n-th share is 1 / (n (n + 1)). So the wealth is again that of fair bets, and no long time of good
    conduct has to be made up for.

    Args:
        null: the mean that is allowed.
        low: the smallest value that an observation may have, -1 or 0; what is below counts as that.
        runs: how many are watched side by side.
    """

    def __init__(self, null: float, low: float, runs: int = 1) -> None:
        self._null, self._low = null, low
        self._n = 0
        self._logs = np.full((runs, len(FRACTIONS)), -np.inf)

    def add(self, values: ArrayLike) -> Floats:
        """Add an observation of each run, (runs), and give the logarithms of the wealth after it, (runs)."""
        self._n += 1
        entering = -np.log(self._n * (self._n + 1))
        seen = np.maximum(np.asarray(values, dtype=np.float64), self._low)[:, None]
        gains = np.log1p(FRACTIONS * (seen - self._null) / (self._null - self._low))
        self._logs = np.logaddexp(self._logs, entering) + gains
        return self.log_wealth

    @property
    def log_wealth(self) -> Floats:
        """Natural logarithms of the wealth, (runs)."""
        top = np.maximum(self._logs.max(axis=1), 0.0)
        entered = np.exp(self._logs - top[:, None]).mean(axis=1)
        return np.asarray(top + np.log(entered + np.exp(-top) / (self._n + 1)))


def counts(tally: Tally) -> Floats:
    """A tally as `log_wealth` takes it."""
    return np.array([tally.down, tally.same, tally.up], dtype=np.float64)


def confidence_sequence(tally: Tally, alpha: float) -> tuple[float, float]:
    """An interval for the mean that holds at all times at once with a chance of 1 - alpha.

    It has the means that neither of two gamblers disproves, who bet on more and on less with half of the money each.

    >>> confidence_sequence(Tally(), 0.05)
    (-1.0, 1.0)
    >>> [round(end, 2) for end in confidence_sequence(Tally(down=20, same=160, up=20), 0.05)]
    [-0.1, 0.1]
    """
    means = np.linspace(-1, 1, _CANDIDATES)[1:-1]
    above, below = log_wealth(counts(tally), means), log_wealth(counts(tally.flipped), -means)
    kept = means[np.logaddexp(above, below) - np.log(2) < np.log(1 / alpha)]
    if not len(kept):
        return tally.mean, tally.mean
    step = 2 / (_CANDIDATES - 1)
    return max(-1.0, float(kept[0]) - step), min(1.0, float(kept[-1]) + step)
