"""What is set after fitting, on the validation split: the temperature, and thresholds of multi-label classes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.models.targets import Targets

_LIMITS = (0.2, 5.0)
_MIN_POSITIVES = 30
_MIN_CLIPS = 20


def temperature(logits: Targets, targets: Targets, kind: Kind) -> float:
    """Find the number to divide logits by that gives the best validation likelihood.

    Source: Guo et al., "On calibration of modern neural networks" (ICML 2017).

    Args:
        logits: (n, classes).
        targets: class probabilities (n, classes).
        kind: softmax or sigmoid.

    Returns:
        A number in [0.2, 5]; 1 when there are fewer than 20 clips, which would say little.
    """
    if len(logits) < _MIN_CLIPS:
        return 1.0
    from scipy.optimize import minimize_scalar
    from scipy.special import log_expit, log_softmax

    def loss(log_temperature: float) -> float:
        scaled = logits.astype(np.float64) / np.exp(log_temperature)
        if kind is Kind.SINGLE:
            return float(-(targets * log_softmax(scaled, axis=1)).mean())
        return float(-(targets * log_expit(scaled) + (1 - targets) * log_expit(-scaled)).mean())

    found = minimize_scalar(loss, bounds=tuple(np.log(_LIMITS)), method="bounded")
    return float(np.exp(found.x))


def thresholds(probabilities: NDArray[np.float64], targets: Targets, classes: Sequence[str]) -> dict[str, float]:
    """Choose for each class of a multi-label capability the threshold with the best validation F1.

    Args:
        probabilities: (n, classes).
        targets: class probabilities (n, classes); 0.5 or more counts as positive.
        classes: names of the columns.

    Returns:
        Class to threshold; 0.5 where fewer than thirty positives would make the choice noise.
    """
    chosen = {}
    for column, name in enumerate(classes):
        truth = targets[:, column] >= 0.5
        if truth.sum() < _MIN_POSITIVES:
            chosen[name] = 0.5
            continue
        grid = np.round(np.arange(0.1, 0.91, 0.05), 2)
        scores = [_f1(probabilities[:, column] >= threshold, truth) for threshold in grid]
        best = np.flatnonzero(np.asarray(scores) >= max(scores) - 1e-9)
        chosen[name] = float(grid[best[len(best) // 2]])
    return chosen


def _f1(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    right = float((predicted & truth).sum())
    return 2 * right / max(float(predicted.sum() + truth.sum()), 1.0)
