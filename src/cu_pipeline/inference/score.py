from collections.abc import Sequence

import numpy as np

from cu_pipeline.core.capability import Kind, join_label
from cu_pipeline.features.clip_features import ClipFeatures
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.models.probabilities import Probabilities, logits_to_probabilities


class Scorer:
    """A bundle ready to score features.

    Args:
        bundle: to load.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._head = bundle.network()

    def probabilities(self, features: ClipFeatures) -> Probabilities:
        """Score clips: float64 (n, classes)."""
        import torch

        with torch.inference_mode():
            logits = self._head(*(torch.from_numpy(part) for part in features.parts())).numpy()
        return logits_to_probabilities(logits, self.bundle.kind, self.bundle.temperature)

    def labels(self, probabilities: Probabilities) -> list[str]:
        """Decide: the likeliest class, or all classes at or over their thresholds."""
        return decide(probabilities, self.bundle.kind, self.bundle.classes, self.bundle.thresholds)


def decide(probabilities: Probabilities, kind: Kind, classes: Sequence[str], thresholds: dict[str, float]) -> list[str]:
    """Turn probabilities (n, classes) into labels.

    >>> decide(np.array([[0.2, 0.8]]), Kind.SINGLE, ["a", "b"], {})
    ['b']
    >>> decide(np.array([[0.6, 0.8], [0.1, 0.2]]), Kind.MULTI, ["a", "b"], {"a": 0.7})
    ['b', 'none']
    """
    if kind is Kind.SINGLE:
        return [classes[index] for index in probabilities.argmax(1)]
    bars = np.array([thresholds.get(name, 0.5) for name in classes])
    return [
        join_label([name for name, holds in zip(classes, row, strict=True) if holds], kind)
        for row in probabilities >= bars
    ]
