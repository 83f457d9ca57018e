"""From logits to probabilities, and what is set on the validation split: temperature and thresholds."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.models.family import Targets

Probabilities = NDArray[np.float64]

_LIMITS: Final = (0.2, 5.0)
_MIN_POSITIVES: Final = 30
_MIN_CLIPS: Final = 20


def logits_to_probabilities(logits: NDArray[np.float32], kind: Kind, temperature: float) -> Probabilities:
    """Turn logits (n, classes) into probabilities: softmax for one class, sigmoid for any number."""
    from scipy.special import expit, softmax

    scaled = logits.astype(np.float64) / temperature
    probabilities: Probabilities = softmax(scaled, axis=1) if kind is Kind.SINGLE else expit(scaled)
    return probabilities


def uncalibrated(probabilities: Probabilities, kind: Kind, temperature: float) -> Probabilities:
    """The probabilities (n, classes) that a model would have given without its temperature.

    >>> uncalibrated(np.array([[0.2, 0.8]]), Kind.SINGLE, 2).round(3).tolist()
    [[0.059, 0.941]]
    """
    from scipy.special import expit, logit, softmax

    with np.errstate(divide="ignore"):
        if kind is Kind.SINGLE:
            return np.asarray(softmax(np.log(probabilities) * temperature, axis=1))
        return np.asarray(expit(logit(probabilities) * temperature))


def clip_losses(
    logits: NDArray[np.float32], targets: Targets, kind: Kind, temperature: float = 1.0
) -> NDArray[np.float64]:
    """Cross-entropy of logits (n, classes) with class probabilities (n, classes), summed over a clip's classes: (n)."""
    from scipy.special import log_expit, log_softmax

    scaled = logits.astype(np.float64) / temperature
    if kind is Kind.SINGLE:
        return np.asarray(-(targets * log_softmax(scaled, axis=1)).sum(axis=1))
    return np.asarray(-(targets * log_expit(scaled) + (1 - targets) * log_expit(-scaled)).sum(axis=1))


def logits_loss(logits: NDArray[np.float32], targets: Targets, kind: Kind, temperature: float = 1.0) -> float:
    """Mean cross-entropy of logits (n, classes) with class probabilities (n, classes), over all n × classes terms."""
    return float(clip_losses(logits, targets, kind, temperature).mean() / max(targets.shape[1], 1))


def temperature(logits: NDArray[np.float32], targets: Targets, kind: Kind) -> float:
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

    found = minimize_scalar(
        lambda logarithm: logits_loss(logits, targets, kind, float(np.exp(logarithm))),
        bounds=tuple(np.log(_LIMITS)),
        method="bounded",
    )
    return float(np.exp(found.x))


def thresholds(probabilities: Probabilities, targets: Targets, classes: Sequence[str]) -> dict[str, float]:
    """Choose for each class of a multi-label capability the threshold with the best validation F1.

    A class of which nothing was learned has the best F1 where it is named always, so that a model that knows nothing
    would name all classes of every clip. A threshold has to beat that by a standard error.

    Args:
        probabilities: (n, classes).
        targets: class probabilities (n, classes); 0.5 or more counts as positive.
        classes: names of the columns.

    Returns:
        Class to threshold; 0.5 where fewer than thirty positives would make the choice noise, or none beats naming it
        always.
    """
    chosen = {}
    for column, name in enumerate(classes):
        truth = targets[:, column] >= 0.5
        if truth.sum() < _MIN_POSITIVES:
            chosen[name] = 0.5
            continue
        grid = np.round(np.arange(0.1, 0.91, 0.05), 2)
        scores = [_f1(probabilities[:, column] > threshold, truth) for threshold in grid]
        best = np.flatnonzero(np.asarray(scores) >= max(scores) - 1e-9)
        threshold = float(grid[best[len(best) // 2]])
        chosen[name] = threshold if _beats_naming_always(probabilities[:, column] > threshold, truth) else 0.5
    return chosen


def _beats_naming_always(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> bool:
    """Tell whether F1 is a standard error above that of naming the class for every clip.

    The error is that of the difference by the delta method, from what each of the n clips moves it by.
    """
    moved: NDArray[np.float64] = np.zeros(len(truth))
    scores = []
    for named, sign in ((predicted, 1), (np.ones_like(truth), -1)):
        score, counted = _f1(named, truth), named.astype(np.float64) + truth
        moved += sign * (2 * (named & truth) - score * counted) / max(counted.sum(), 1.0)
        scores.append(score)
    return scores[0] - scores[1] > float(np.sqrt((moved**2).sum()))


def _f1(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    right = float((predicted & truth).sum())
    return 2 * right / max(float(predicted.sum() + truth.sum()), 1.0)
