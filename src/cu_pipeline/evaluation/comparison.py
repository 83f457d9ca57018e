"""What a model gains over another one on the same clips, as the `metrics` dataset tells it."""

from typing import Any, Final

from numpy.typing import NDArray

from cu_pipeline.evaluation.metrics import ScoredClips
from cu_pipeline.evaluation.paired_test import PairedGain
from cu_pipeline.evaluation.skill import accuracy_gains

ALPHA: Final = 0.025
"""Chance, at most, that a model is said to be better than another one when it is not: a side of a 95 % interval."""


def compare(answers: ScoredClips, other: ScoredClips, units: NDArray[Any]) -> dict[str, Any]:
    """Compare two models on the same clips, whose units are drawn.

    A model is shown to be better where its gain in accuracy is above 0 by the one-sided test over units, at the level
    of a side of the interval, so that the two agree; where the test cannot tell since too few units differ, the
    interval reaches to 0.

    Args:
        answers: the model's, of n clips.
        other: the other one's.
        units: (n): what ties clips together.

    Returns:
        `gain`, with `accuracy`, `ci95` and `p_value`, and `shown_better`.
    """
    gain = PairedGain.of(accuracy_gains(answers, other), units)
    low, high = gain.interval()
    p_value = gain.p_value()
    better = p_value <= ALPHA
    low = low if better else min(low, 0.0)
    found = {"accuracy": gain.effect, "ci95": [max(low, -1.0), min(high, 1.0)], "p_value": p_value}
    return {"gain": found, "shown_better": better}
