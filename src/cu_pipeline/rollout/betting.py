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
