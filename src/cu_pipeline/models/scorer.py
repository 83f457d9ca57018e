from collections.abc import Sequence

from cu_pipeline.core.decision import Decided, decide, prediction_sets
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
        self._model = bundle.load_model()

    def probabilities(self, features: ClipFeatures) -> Probabilities:
        """Score clips: float64 (n, classes).

        Args:
            features: with those that the bundle's `inputs` name.
        """
        return logits_to_probabilities(self._model.logits(features), self.bundle.kind, self.bundle.temperature)

    def decide(self, probabilities: Probabilities, clip_ids: Sequence[str] | None = None) -> Decided:
        """Name the likeliest class, where it is over its threshold if it has one, or all classes over theirs."""
        return decide(probabilities, self.bundle.answers, self.bundle.thresholds, clip_ids)

    def sets(self, probabilities: Probabilities) -> list[list[str]]:
        """Name the classes that each clip may be, the likeliest first; none where the bundle gives no sets."""
        return named_sets(self.bundle, probabilities)


def named_sets(bundle: Bundle, probabilities: Probabilities) -> list[list[str]]:
    """Name the classes that each of n clips may be, the likeliest first.

    Args:
        bundle: that says so; of one that gives no sets all are empty.
        probabilities: (n, classes).
    """
    if bundle.set_threshold is None:
        return [[] for _ in probabilities]
    inside = prediction_sets(probabilities, bundle.set_threshold)
    order = (-probabilities).argsort(axis=1, kind="stable")
    return [[bundle.classes[one] for one in places if row[one]] for places, row in zip(order, inside, strict=True)]
