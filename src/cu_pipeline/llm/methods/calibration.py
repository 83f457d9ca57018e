import numpy as np
from numpy.typing import NDArray

CONTENT_FREE = ("N/A", "", "[MASK]", "video", "watch this", "new video #shorts")
"""Captions that say nothing: those of Zhao et al. 2021 and some that look like captions."""


def probabilities(logprobs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the share of each answer among all answers, (..., k)."""
    shares = np.exp(logprobs - logprobs.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def calibrated(logprobs: NDArray[np.float64], content_free: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take out of a model's answers what it prefers before it has read anything.

    Contextual calibration (Zhao et al. 2021, "Calibrate Before Use", diagonal W, no bias): each answer's
    probability is divided by its mean probability over content-free inputs, then all are normalised.

    Args:
        logprobs: (n, k) of k answers to n inputs.
        content_free: (m, k) of the same answers to m inputs that say nothing.

    Returns:
        (n, k) probabilities.

    >>> calibrated(np.log([[0.8, 0.2]]), np.log([[0.8, 0.2]])).tolist()
    [[0.5, 0.5]]
    """
    bias = np.log(probabilities(content_free).mean(axis=0))
    return probabilities(logprobs - bias)
