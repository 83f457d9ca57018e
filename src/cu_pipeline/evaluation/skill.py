"""Whether a model knows more than how common each answer is."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.evaluation.metrics import ScoredClips, log_losses
from cu_pipeline.evaluation.paired_test import PairedGain
from cu_pipeline.evaluation.power import WISHED

ALPHA: Final = 0.05
"""Chance, at most, that a model is said to be better than the majority when it is not."""


@dataclass(frozen=True)
class Skill:
    """A model beside the majority, which gives every clip the commonest answer and all answers' shares.

    Attributes:
        n: test clips.
        accuracy_gain: the model's accuracy minus the majority's.
        loss_gain: the majority's mean negative log-likelihood minus the model's.
        p_value: that chance alone gives a gain as large, of the better of the two.
    """

    n: int
    accuracy_gain: float
    loss_gain: float
    p_value: float

    def to_json(self) -> dict[str, Any]:
        """The part `skill` of the `metrics` dataset."""
        return asdict(self) | {"better": self.p_value <= ALPHA}


def skill(answers: ScoredClips, shares: NDArray[np.float64], units: NDArray[Any]) -> Skill:
    """Compare a model with the majority on the same clips: accuracy and loss, of which the lesser p-value counts twice.

    Args:
        answers: the model's, of n test clips.
        shares: (classes): how common each class is among training clips.
        units: (n): what ties clips together.
    """
    usual = majority(answers, shares)
    accuracy = PairedGain.of(accuracy_gains(answers, usual), units)
    loss = PairedGain.of(log_losses(usual) - log_losses(answers), units)
    p_value = min(2 * min(accuracy.p_value(), loss.p_value()), 1.0)
    return Skill(len(answers), accuracy.effect, loss.effect, p_value)


def majority(answers: ScoredClips, shares: NDArray[np.float64]) -> ScoredClips:
    """What the majority says of the same clips; for the arguments see `skill`."""
    return ScoredClips.decide(answers.kind, answers.truth, np.tile(shares, (len(answers), 1)))


def accuracy_gains(one: ScoredClips, other: ScoredClips) -> NDArray[np.float64]:
    """What one model gains over another on each clip: 1 where it alone is right, -1 where the other alone is."""
    return one.correct().astype(np.float64) - other.correct()


def learned_nothing(measured: Mapping[str, Any]) -> str | None:
    """Say that a model is no better than the majority, or not shown to be; None: it is better, or was not measured.

    Args:
        measured: a capability's part of the `metrics` dataset.
    """
    found = measured.get("skill")
    if not found or found["better"]:
        return None
    told = "not shown to be better" if is_unclear(measured) else "no better"
    return (
        f"{told} than the majority on {found['n']} test clips (accuracy {found['accuracy_gain']:+.3f}, loss "
        f"{-found['loss_gain']:+.3f}, p = {found['p_value']:.2f})"
    )


def is_unclear(measured: Mapping[str, Any]) -> bool:
    """Tell whether a model that is not shown to be better than the majority may be: the test clips are too few.

    They are where no gain at all could be shown, or where one that one would like to see was seen, but not shown.

    Args:
        measured: a capability's part of the `metrics` dataset.
    """
    found = measured.get("skill")
    if not found or found["better"]:
        return False
    units = measured.get("test", {}).get("units")
    return found["accuracy_gain"] >= WISHED or (units is not None and 2 * 0.5**units > ALPHA)
