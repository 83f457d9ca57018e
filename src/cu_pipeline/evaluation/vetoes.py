"""What keeps a model back whatever it gains: a slice of clips that falls, or a confidence far from the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.multiple_tests import holm
from cu_pipeline.evaluation.contest import slices
from cu_pipeline.evaluation.metrics import ScoredClips
from cu_pipeline.evaluation.paired_test import PairedGain
from cu_pipeline.evaluation.skill import accuracy_gains

ALPHA: Final = 0.05
"""Chance, at most, that a model is kept back by a veto of a kind that it does not deserve."""


@dataclass(frozen=True)
class Difference:
    """How a model compares with another one, on some clips.

    Attributes:
        name: of the slice, or of the other model.
        clips: how many.
        effect: its gain in accuracy.
        p_value: that it is not worse than is allowed, adjusted for how many were looked at (Holm).
    """

    name: str
    clips: int
    effect: float
    p_value: float

    @property
    def is_worse(self) -> bool:
        """Whether it is shown to be worse than is allowed."""
        return self.p_value <= ALPHA

    def to_json(self) -> dict[str, Any]:
        """A part of a row of `gate.json`."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.name} {100 * self.effect:+.1f} points on {self.clips} clips (p = {self.p_value:.2g})"


def fallen_slices(
    answers: ScoredClips, opposed: ScoredClips, clips: pd.DataFrame, columns: Sequence[str], margin: float
) -> list[Difference]:
    """Compare two models in each slice of the protected columns.

    Args:
        answers: the challenger's, of n clips.
        opposed: the champion's.
        clips: n rows of the table of clips.
        columns: that are protected.
        margin: by which accuracy may fall.

    Returns:
        All slices, the one that fell most first.
    """
    gains, units = accuracy_gains(answers, opposed), clips["group"].to_numpy(dtype=str)
    found = slices(clips, columns)
    return _differences({name: (gains[chosen], units[chosen]) for name, chosen in found.items()}, margin)


def beaten_by(answers: ScoredClips, baselines: Mapping[str, ScoredClips], units: NDArray[np.str_]) -> list[Difference]:
    """Compare a model with each baseline on the same clips; the one that gains most over it comes first."""
    gains = {name: (accuracy_gains(answers, other), units) for name, other in baselines.items()}
    return _differences(gains, 0.0)


def _differences(gains: Mapping[str, tuple[NDArray[np.float64], NDArray[np.str_]]], margin: float) -> list[Difference]:
    found = {name: PairedGain.of(*gain) for name, gain in gains.items()}
    losses = [PairedGain(-gain.sums, gain.sizes).p_value(above=margin) for gain in found.values()]
    rows = [
        Difference(name, gain.clips, gain.effect, p_value)
        for (name, gain), p_value in zip(found.items(), holm(losses), strict=True)
    ]
    return sorted(rows, key=lambda row: row.effect)


@dataclass(frozen=True)
class Confidence:
    """How far a model's confidence is from how often it is right.

    Attributes:
        gap: mean confidence minus accuracy; of several classes at once the mean over classes.
        p_value: that it is within the bound, to both sides.
    """

    gap: float
    p_value: float

    @property
    def is_beyond(self) -> bool:
        """Whether the gap is shown to be beyond the bound."""
        return self.p_value <= ALPHA


def confidence(answers: ScoredClips, units: NDArray[np.str_], bound: float) -> Confidence:
    """Test whether the mean confidence is within a bound of the truth.

    The error over bins of confidence is above 0 by chance alone, the more so the fewer the clips; the mean is not.

    Args:
        answers: of n clips.
        units: (n): what ties clips together.
        bound: largest gap that is allowed.
    """
    if answers.kind is Kind.SINGLE:
        gaps = answers.probabilities.max(axis=1) - answers.correct()
    else:
        gaps = (answers.probabilities - answers.truth).mean(axis=1)
    found = PairedGain.of(gaps, units)
    other = PairedGain(-found.sums, found.sizes)
    return Confidence(found.effect, min(2 * min(found.p_value(bound), other.p_value(bound)), 1.0))
