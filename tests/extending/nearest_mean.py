from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.options import Options
from cu_pipeline.features.clip_features import ClipFeatures
from cu_pipeline.features.extractor import Extractor
from cu_pipeline.models.family import Examples, Fitted, Logits, Weights


class NearestMeanOptions(Options):
    """Parameters of the family: how much nearer counts."""

    sharpness: float = 50.0


class NearestMeanModel:
    """Scores a clip by its distance to the mean of each class."""

    def __init__(self, feature: str, weights: Weights) -> None:
        self._feature = feature
        self._weights = weights

    def logits(self, features: ClipFeatures) -> Logits:
        """Less for more distant means: float32 (n, classes)."""
        vectors = features[self._feature].vector()
        distances = np.square(vectors[:, None] - self._weights["means"]).sum(-1)
        return (-self._weights["sharpness"] * distances).astype(np.float32)


class NearestMean:
    """The class whose mean is nearest, in the first vector feature that looks at media."""

    options: ClassVar[type[Options]] = NearestMeanOptions
    revision: ClassVar[int | str] = "nearest_mean/1"

    def reads(self, extractors: Mapping[str, Extractor]) -> list[str]:
        """One feature."""
        return [name for name, one in extractors.items() if one.source == "media" and one.identity.shape][:1]

    def fit(self, train: Examples, validation: Examples, kind: Kind, options: Any, seed: int) -> Fitted:
        """Take the means."""
        (name,) = train.features.features
        shares = train.targets / np.maximum(train.targets.sum(0), 1e-9)
        weights = {"means": (shares.T @ train.features[name].vector()).astype(np.float32)}
        return Fitted({"feature": name}, weights | {"sharpness": np.float32([options.sharpness])})

    def load(self, config: dict[str, Any], weights: Weights) -> NearestMeanModel:
        """Take them up again."""
        return NearestMeanModel(config["feature"], weights)
