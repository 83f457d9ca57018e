"""How the shares of classes have changed, told from what a model says of clips without labels."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_STEADY = 0.1
"""How much weights are drawn to 1, divided by the clips of the smaller side."""


def class_weights(before: Floats, truth: npt.NDArray[np.int64], now: Floats) -> Floats:
    """How many times as often each class comes now, where its clips look as they did.

    Source: Lipton, Wang & Smola, Detecting and correcting for label shift with black box predictors, ICML 2018, with
    probabilities for predicted classes; drawn to 1 as by Azizzadenesheli et al., Regularized learning for domain
    adaptation under label shifts, ICLR 2019.

    Args:
        before: what a model that has not seen them says of labelled clips, (clips, classes).
        truth: their classes' places, (clips,).
        now: what it says of clips whose classes nobody knows, (clips, classes).

    Returns:
        (classes,), at least 0; 1 for a class that no labelled clip has.
    """
    from scipy.optimize import nnls

    classes = before.shape[1]
    is_it = np.eye(classes)[truth]
    joint = before.T @ is_it / len(before)
    steady = np.sqrt(_STEADY / max(1, min(len(before), len(now))))
    matrix = np.concatenate([joint, steady * np.eye(classes)])
    weights, _ = nnls(matrix, np.concatenate([now.mean(axis=0), np.full(classes, steady)]))
    shares = is_it.mean(axis=0)
    weights = np.where(shares > 0, weights, 1.0)
    total = float((weights * shares).sum())
    return np.asarray(weights / total if total > 0 else np.ones(classes))
