import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind

Probabilities = NDArray[np.float64]


def logits_to_probabilities(logits: NDArray[np.float32], kind: Kind, temperature: float) -> Probabilities:
    """Turn logits (n, classes) into probabilities: softmax for one class, sigmoid for any number."""
    from scipy.special import expit, softmax

    scaled = logits.astype(np.float64) / temperature
    probabilities: Probabilities = softmax(scaled, axis=1) if kind is Kind.SINGLE else expit(scaled)
    return probabilities
