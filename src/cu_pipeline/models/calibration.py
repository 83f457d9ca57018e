"""What is set on predictions of clips that a model has not seen: its temperature and its thresholds."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.decision_goal import DecisionGoal, GoalTarget
from cu_pipeline.models.conformal import EVERY_CLASS, set_threshold
from cu_pipeline.models.family import Examples, Family, Fitted, Logits, Targets
from cu_pipeline.models.goal_thresholds import NEVER, GoalThreshold, Unseen, goal_thresholds
from cu_pipeline.models.logistic import hard_labels
from cu_pipeline.models.probabilities import logits_to_probabilities, temperature, thresholds

_ENOUGH: Final = 100
"""Clips with people's labels that do without those of others."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Calibration:
    """What is set.

    Attributes:
        temperature: that logits are divided by.
        thresholds: class -> probability over which it is answered.
        set_threshold: that a class reaches to be in a clip's set; None: there are no sets.
    """

    temperature: float
    thresholds: dict[str, float] = field(default_factory=dict)
    set_threshold: float | None = None


def calibrate(
    name: str,
    capability: Capability,
    model: tuple[Fitted, Family],
    parts: tuple[Examples, Examples],
    by_people: NDArray[np.bool_],
) -> Calibration:
    """Set temperature and thresholds on predictions of clips that the predicting model has not seen.

    People's labels alone count where there are enough of them: beside wrong labels of machines a model that is right
    seems less sure than it ought to be, and would be made to say so. Nothing else proves a precision, a recall or the
    coverage of sets.

    Args:
        name: of the capability, for messages.
        capability: with its classes and what its answers shall keep to.
        model: as fitted, and its family.
        parts: training and validation clips, with the features that it reads.
        by_people: (n) of these, training clips first: whose labels are people's.
    """
    logits, targets = unseen_predictions(*model, *parts, capability.kind)
    rows = _unseen_rows(model[0], *parts)
    judged = by_people[rows]
    counted = judged if judged.sum() >= _ENOUGH else np.ones(len(rows), dtype=np.bool_)
    scale = temperature(logits[counted], targets[counted], capability.kind)
    probabilities = logits_to_probabilities(logits, capability.kind, scale)
    bars: dict[str, float] = {}
    if capability.kind is Kind.MULTI:
        bars = thresholds(probabilities[counted], targets[counted], capability.classes)
    goal = capability.decision
    if not goal.is_set:
        return Calibration(scale, bars)
    units = parts[0].joined(parts[1]).units[rows]
    truth = hard_labels(targets, capability.kind).truth
    unseen = Unseen(probabilities[judged], truth[judged], units[judged], capability.kind)
    if goal.target is not None:
        bars |= _kept(name, goal, goal_thresholds(unseen, capability.classes, goal))
    if goal.abstain_below:
        bars = {one: max(bars.get(one, 0.0), goal.abstain_below) for one in capability.classes}
    return Calibration(scale, bars, _set_threshold(name, unseen, goal))


def _set_threshold(name: str, unseen: Unseen, goal: DecisionGoal) -> float | None:
    if goal.set_coverage is None:
        return None
    found = set_threshold(unseen, goal.set_coverage)
    if found == EVERY_CLASS:
        units = len(np.unique(unseen.units))
        _log.warning(
            "%s: %d units with people's labels leave no class out of a set that holds the right one %g %% of the time, "
            "so sets have every class. More labels or a lower `decision.set_coverage` would do",
            name,
            units,
            100 * goal.set_coverage,
        )
    return found


def unseen_predictions(
    fitted: Fitted, learner: Family, training: Examples, validation: Examples, kind: Kind
) -> tuple[Logits, Targets]:
    """What a model says of clips that it, or those that speak for it, have not seen, and what it should say.

    These are its cross-fitted predictions, as far as it has any, else those of the validation clips.

    Args:
        fitted: the model.
        learner: its family.
        training: what it learned from, with the features that it reads.
        validation: what chose between epochs.
        kind: of the capability.
    """
    if fitted.cross_fitted is None:
        if not len(validation):
            return validation.targets, validation.targets
        return learner.load(fitted.config, fitted.weights).logits(validation.features), validation.targets
    truth = hard_labels(np.r_[training.targets, validation.targets], kind).truth
    asked = np.isfinite(fitted.cross_fitted).all(axis=1)
    return fitted.cross_fitted[asked], truth[asked].astype(np.float32)


def _unseen_rows(fitted: Fitted, training: Examples, validation: Examples) -> NDArray[np.int64]:
    """Positions, training clips first, of the clips that `unseen_predictions` tells of."""
    if fitted.cross_fitted is None:
        return np.arange(len(training), len(training) + len(validation))
    return np.flatnonzero(np.isfinite(fitted.cross_fitted).all(axis=1))


def _kept(name: str, goal: DecisionGoal, found: Mapping[str, GoalThreshold]) -> dict[str, float]:
    """The thresholds that keep the goal; a class without one is never named for precision's sake."""
    kept: dict[str, float] = {}
    precise = goal.target is GoalTarget.PRECISION
    for label, one in found.items():
        if one.value is not None:
            kept[label] = one.value
            continue
        if precise:
            kept[label] = NEVER
        _log.warning(
            "%s: no threshold of %r is known to keep a %s of %g with %g %% confidence (%d units with people's labels), "
            "so %s. More labels, a better model or a lower `decision.at_least` would do",
            name,
            label,
            goal.target,
            goal.at_least,
            100 * goal.confidence,
            one.units,
            "it is never answered" if precise else "it is answered as if there were no goal",
        )
    return kept
