"""Thresholds of classes that keep a precision or recall on new clips, with a stated confidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.decision_goal import DecisionGoal, GoalTarget

NEVER: Final = 1.0
"""A threshold that no probability is over: the class is never named."""

_STEPS: Final = 25
"""Thresholds that are tried for a class."""

_AMPLE: Final = 2.0
"""How many times the units that would do without any mistake the first threshold is tried on."""


@dataclass(frozen=True)
class Unseen:
    """What a model says of n clips that it has not seen, and what is right.

    Attributes:
        probabilities: (n, classes).
        truth: bool (n, classes).
        units: (n): what ties clips together.
        kind: of the capability.
    """

    probabilities: NDArray[np.float64]
    truth: NDArray[np.bool_]
    units: NDArray[np.int64]
    kind: Kind

    def said(self, column: int) -> NDArray[np.bool_]:
        """Clips that a class would be named of without a threshold: those that it is likeliest of, or all."""
        if self.kind is Kind.MULTI:
            return np.ones(len(self.truth), dtype=np.bool_)
        return np.asarray(self.probabilities.argmax(axis=1) == column)


@dataclass(frozen=True)
class GoalThreshold:
    """What is set for a class.

    Attributes:
        value: over which it holds; None: no threshold is known to keep the goal.
        units: that the threshold rests on, or all that there were.
        reached: share of the target at the threshold.
        bound: its lower confidence bound.
    """

    value: float | None
    units: int
    reached: float | None = None
    bound: float | None = None


def lower_bound(right: NDArray[np.bool_], units: NDArray[np.int64], confidence: float) -> float:
    """A lower confidence bound of a share among clips of new units.

    The clips of a unit may all be right or wrong together, so n clips of units with n_u each count as (Σ n_u)² / Σ n_u²
    independent ones (Kish's effective sample size at an intraclass correlation of 1) in the exact interval of Clopper &
    Pearson, as Korn & Graubard take it for survey data ("Confidence intervals for proportions with small expected
    number of positive counts", Survey Methodology, 1998).

    Args:
        right: (n).
        units: (n).
        confidence: of the one-sided bound.
    """
    from scipy.stats import beta

    if not len(right):
        return 0.0
    effective = _effective(units)
    wins = effective * float(right.mean())
    return float(beta.ppf(1 - confidence, wins, effective - wins + 1)) if wins > 0 else 0.0


def goal_thresholds(unseen: Unseen, classes: Sequence[str], goal: DecisionGoal) -> dict[str, GoalThreshold]:
    """Set each class's threshold so that its precision, or recall, is kept on clips of new units.

    Thresholds are tried in an order that no answer decides, from the one that keeps the goal most easily, and the first
    that fails ends the search: so all that passed are valid at once at the stated confidence, and the last one may be
    taken (fixed sequence testing; Angelopoulos et al., "Learn then Test", 2021). For precision that is the least
    threshold, so that the class is named most often; for recall the greatest, so that it is named wrongly least often.

    Args:
        unseen: predictions of clips by models that have not seen their units.
        classes: of the columns.
        goal: with a target.
    """
    return {name: _threshold(unseen, column, goal) for column, name in enumerate(classes)}


def _threshold(unseen: Unseen, column: int, goal: DecisionGoal) -> GoalThreshold:
    score, said, truth = unseen.probabilities[:, column], unseen.said(column), unseen.truth[:, column]
    precise = goal.target is GoalTarget.PRECISION
    counted = said if precise else truth
    best = GoalThreshold(None, len(np.unique(unseen.units[counted])))
    for threshold in _tried(score[said], unseen.units[said], goal) if precise else _strictening(score[said]):
        named = said & (score > threshold)
        rows = named if precise else truth
        bound = lower_bound((truth if precise else named)[rows], unseen.units[rows], goal.confidence)
        if bound < goal.at_least:
            break
        share = float((truth if precise else named)[rows].mean())
        best = GoalThreshold(float(threshold), len(np.unique(unseen.units[rows])), share, bound)
    return best


def _tried(scores: NDArray[np.float64], units: NDArray[np.int64], goal: DecisionGoal) -> list[float]:
    """Thresholds from the first that ample units are over, whether rightly or not, to the most lenient."""
    order = np.argsort(-scores, kind="stable")
    if not len(order):
        return []
    fewest = _AMPLE * log(1 - goal.confidence) / log(goal.at_least)
    first = len(order)
    for rows in np.geomspace(max(1, min(fewest, len(order))), len(order), 4 * _STEPS).astype(int):
        if _effective(units[order[:rows]]) >= fewest:
            first = int(rows)
            break
    steps = np.unique(np.linspace(first, len(order), _STEPS).astype(int))
    return [_below(scores[order], int(rows)) for rows in steps]


def _strictening(scores: NDArray[np.float64]) -> list[float]:
    """Thresholds from the most lenient to the strictest."""
    if not len(scores):
        return []
    steps = np.unique(np.linspace(1, len(scores), 4 * _STEPS).astype(int))
    return [_below(-np.sort(-scores), int(rows)) for rows in reversed(steps)]


def _below(ranked: NDArray[np.float64], rows: int) -> float:
    """A threshold that the first so many scores are over, half-way to the next."""
    return float((ranked[rows - 1] + ranked[rows]) / 2) if rows < len(ranked) else 0.0


def _effective(units: NDArray[np.int64]) -> float:
    sizes = np.unique(units, return_counts=True)[1]
    return float(sizes.sum() ** 2 / np.square(sizes).sum())
