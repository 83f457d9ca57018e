from collections.abc import Sequence

from cu_pipeline.core.decision import Decided, decide
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
