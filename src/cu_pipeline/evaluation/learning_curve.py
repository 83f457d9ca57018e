"""What more labels would bring: how accuracy grows with the clips that a model learns from, and how it would go on."""

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LEAST_POINTS: Final = 3
"""Sizes from which a curve is drawn on."""

_LAW: Final = 0.005
"""Standard deviation by which accuracies stray from a power law, and from one draw of clips to learn from to another,
beyond what the clips that are asked about tell. Far below the number of clips that there are the law holds less: it
grows by as much, twice, at each halving."""

_FLAT: Final = 0.25
"""Share of the prior by which nothing more is learned, whatever is added."""

_POWERS: Final = np.linspace(0.05, 1.0, 20)
_FLOORS: Final = np.linspace(0.0, 1.0, 21)
_NORMAL: Final = np.array([-1.96, -1.28, -0.84, -0.52, -0.25, 0.0, 0.25, 0.52, 0.84, 1.28, 1.96])
"""Quantiles that stand for a normal distribution."""


@dataclass(frozen=True)
class Forecast:
    """What further labelled clips are expected to bring.

    Attributes:
        clips: to learn from, those that are there and the further ones.
        more: the further ones.
        accuracy: that is expected with all of them.
        low: its 95 % interval's lower end.
        high: the upper end.
        gain: in accuracy over what is expected with the clips that are there.
        gain_low: its 95 % interval's lower end.
        gain_high: the upper end.
    """

    clips: int
    more: int
    accuracy: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float

    def __str__(self) -> str:
        """Say it as a sentence.

        >>> print(Forecast(1500, 1000, 0.85, 0.8, 0.9, 0.018, 0.004, 0.031))
        1,000 more labelled clips are expected to bring 1.8 points [0.4, 3.1]
        """
        low, high = 100 * self.gain_low, 100 * self.gain_high
        clips = f"{self.more:,} more labelled {'clip is' if self.more == 1 else 'clips are'}"
        return f"{clips} expected to bring {100 * self.gain:.1f} points [{low:.1f}, {high:.1f}]"


@dataclass(frozen=True)
class Curve:
    """Answers about clips by models that learned from growing shares of others.

    Attributes:
        clips: float64 (sizes): clips that were learned from, on average over orders, growing.
        units: float64 (sizes): of how many units they were.
        right: float64 (n, sizes): how often each clip was answered rightly, as a share of the orders that asked it.
        losses: float64 (n, sizes): the mean negative log-likelihood of its answer.
        groups: (n): what ties the clips together that were asked.
    """

    clips: Floats
    units: Floats
    right: Floats
    losses: Floats
    groups: NDArray[Any]

    def to_json(self, known: int, more: int) -> dict[str, Any]:
        """The part `learning_curve` of the `insights` dataset.

        Args:
            known: labelled clips that the model learned from.
            more: further ones whose worth is forecast.
        """
        points = [
            {
                "clips": round(clips),
                "units": round(units),
                "accuracy": float(right),
                "loss": float(loss),
                "standard_error": float(error),
            }
            for clips, units, right, loss, error in zip(
                self.clips,
                self.units,
                self.right.mean(axis=0),
                self.losses.mean(axis=0),
                np.sqrt(np.diag(self._covariance())),
                strict=True,
            )
        ]
        found = self.forecast(known, more)
        told = None if found is None else asdict(found) | {"in_words": str(found)}
        return {"asked": len(self.right), "known": known, "points": points, "forecast": told}

    def forecast(self, known: int, more: int) -> Forecast | None:
        """Draw the curve on by a power law with a floor.

        The share of wrong answers after n clips is taken for floor + a n^-power (Hestness et al., "Deep learning
        scaling is predictable, empirically", 2017; with a floor, without which curves promise too much: Viering & Loog,
        "The shape of learning curves", TPAMI 2022). Floor and power are hardly told by a few points, so all of them on
        a grid are weighed by how likely they make the points, whose errors are tied together, as the same clips are
        asked at all sizes. The interval spans what they and the level leave open. A model that has hardly begun to
        learn may gain more than that: at first curves get steeper, which no power law does.

        Args:
            known: labelled clips that the model learned from.
            more: further ones.

        Returns:
            None with fewer than three sizes or two units.
        """
        if len(self.clips) < _LEAST_POINTS or len(np.unique(self.groups)) < 2:
            return None
        wrong = 1 - self.right.mean(axis=0)
        stray = _LAW * (1 + 2 * np.maximum(np.log2(known / self.clips), 0))
        precision = np.linalg.inv(self._covariance() + np.diag(stray**2))
        floor, power = (axis.ravel() for axis in np.meshgrid(_FLOORS, _POWERS))
        shape = np.stack([_shape(clips / known, floor, power) for clips in self.clips], axis=1)
        height = np.einsum("gs,st,gt->g", shape, precision, shape)
        level = shape @ precision @ wrong / height
        misfit = wrong - level[:, None] * shape
        likelihood = -np.einsum("gs,st,gt->g", misfit, precision, misfit) / 2 - np.log(height) / 2
        prior = np.where(floor == 1, _FLAT, (1 - _FLAT) / (len(_FLOORS) - 1))
        weight = np.repeat(np.exp(likelihood - likelihood.max()) * prior, len(_NORMAL))
        levels = np.clip(level[:, None] + _NORMAL / np.sqrt(height)[:, None], 0, 1).ravel()
        left = np.repeat(_shape((known + more) / known, floor, power), len(_NORMAL))
        accuracy, low, high = _spread(1 - levels * left, weight)
        gain, gain_low, gain_high = _spread(levels * (1 - left), weight)
        return Forecast(known + more, more, accuracy, low, high, gain, gain_low, gain_high)

    def _covariance(self) -> Floats:
        """Of the accuracies at all sizes: (sizes, sizes), cluster-robust over units; zeros of a single one."""
        _, places = np.unique(self.groups.astype(str), return_inverse=True)
        rest = self.right - self.right.mean(axis=0)
        sums = np.stack([np.bincount(places, weights=column) for column in rest.T], axis=1)
        units = len(sums)
        found: Floats = sums.T @ sums * (units / max(units - 1, 1)) / len(self.right) ** 2
        return found


def _shape(ratio: float, floor: Floats, power: Floats) -> Floats:
    """The share of wrong answers after so many times the clips, over that after the clips that there are."""
    return np.asarray(floor + (1 - floor) * ratio**-power)


def _spread(values: Floats, weight: Floats) -> tuple[float, float, float]:
    """The weighted mean, and the quantiles that 95 % of the weight lies between."""
    order = np.argsort(values)
    below = np.cumsum(weight[order]) / weight.sum()
    places = np.minimum(np.searchsorted(below, [0.025, 0.975]), len(order) - 1)
    low, high = values[order[places]].tolist()
    return float(np.average(values, weights=weight)), low, high
