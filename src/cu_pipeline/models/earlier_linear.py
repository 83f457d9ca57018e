"""Linear models as earlier versions fitted them: one regression on all vectors. They are still served."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.errors import BundleError
from cu_pipeline.features.clip_features import ClipFeatures
from cu_pipeline.models.family import Logits, Weights


class EarlierLinearModel:
    """A logistic regression on standardised vectors, each modality's mean over its steps, and on what is present."""

    def __init__(self, inputs: Sequence[str], weights: Weights) -> None:
        self._inputs = inputs
        self._weights = weights

    @classmethod
    def load(cls, inputs: Sequence[str], weights: Weights) -> Self:
        """Take the coefficients.

        Raises:
            BundleError: they are those of something else.
        """
        wanted = {"coefficients", "intercept"} | {f"{part}_{name}" for part in ("mean", "scale") for name in inputs}
        if set(weights) != wanted:
            raise BundleError(f"weights {sorted(weights)} are not those of a linear model of {', '.join(inputs)}")
        return cls(list(inputs), weights)

    def logits(self, features: ClipFeatures) -> Logits:
        """Score clips: float32 (n, classes)."""
        parts: list[NDArray[np.float32]] = []
        for name in self._inputs:
            present = features[name].present[:, None].astype(np.float32)
            standard = (features[name].vector() - self._weights[f"mean_{name}"]) / self._weights[f"scale_{name}"]
            parts += [np.asarray(standard * present, dtype=np.float32), present]
        logits = np.concatenate(parts, axis=1) @ self._weights["coefficients"] + self._weights["intercept"]
        return np.asarray(logits, dtype=np.float32)
