"""What one capability's model says about one clip."""

from dataclasses import dataclass
from time import perf_counter

from cu_pipeline.features.clip_features import ClipFeatures
from cu_pipeline.models.scorer import Scorer


@dataclass(frozen=True)
class ModelAnswer:
    """Of one capability by one model.

    Attributes:
        label: the decision; "" where the model failed.
        probabilities: class -> probability.
        version: of the bundle.
        prediction_set: classes that the clip may be, the likeliest first; empty where the model gives no sets.
        ms: milliseconds that it took.
        error: why there is no answer; "" where there is one.
    """

    label: str
    probabilities: dict[str, float]
    version: str
    prediction_set: list[str]
    ms: float = 0.0
    error: str = ""


def failed(version: str, error: Exception) -> ModelAnswer:
    """Say that a model could not answer."""
    return ModelAnswer("", {}, version, [], error=f"{type(error).__name__}: {error}")


def model_answers(scorer: Scorer, features: ClipFeatures) -> list[ModelAnswer]:
    """Ask a model about n clips at once."""
    begun = perf_counter()
    rows = scorer.probabilities(features)
    labels, sets = scorer.decide(rows).labels, scorer.sets(rows)
    ms = 1000 * (perf_counter() - begun) / len(features)
    return [
        ModelAnswer(label, dict(zip(scorer.bundle.classes, row, strict=True)), scorer.bundle.version, may_be, ms)
        for label, row, may_be in zip(labels, rows.tolist(), sets, strict=True)
    ]
