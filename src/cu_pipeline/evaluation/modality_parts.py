"""What each modality adds: how much worse a model answers when it is not shown one of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.evaluation.metrics import ScoredClips
from cu_pipeline.evaluation.paired_test import PairedGain
from cu_pipeline.evaluation.skill import accuracy_gains


@dataclass(frozen=True)
class ModalityPart:
    """A modality's part in what a model knows.

    Attributes:
        modality: that was hidden.
        accuracy_without: share of the clips that are right without it.
        part: accuracy with it minus that without it.
        ci95: 95 % interval of the part, over units.
    """

    modality: str
    accuracy_without: float
    part: float
    ci95: tuple[float, float]

    @classmethod
    def of(cls, modality: str, whole: ScoredClips, without: ScoredClips, units: NDArray[Any]) -> Self:
        """Compare answers about the same clips with and without a modality."""
        gain = PairedGain.of(accuracy_gains(whole, without), units)
        low, high = (float(np.clip(edge, -1, 1)) for edge in gain.interval())
        return cls(modality, float(without.correct().mean()), gain.effect, (low, high))


def modality_parts(whole: ScoredClips, hidden: Mapping[str, ScoredClips], units: NDArray[Any]) -> list[dict[str, Any]]:
    """Compare a model's answers with those that it gives when one modality is hidden, the dearest first.

    The model is the same: what it knows by heart of one modality alone is not learned anew, so that parts need not add
    up to its accuracy, and two modalities that say the same have small parts.

    Args:
        whole: answers about n clips.
        hidden: modality -> answers about the same clips without it.
        units: (n): what ties clips together.

    Returns:
        The part `modalities` of the `insights` dataset.
    """
    parts = [ModalityPart.of(name, whole, without, units) for name, without in hidden.items()]
    return [asdict(one) | {"ci95": list(one.ci95)} for one in sorted(parts, key=lambda one: -one.part)]
