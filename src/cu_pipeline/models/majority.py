"""How common each answer is, whatever a clip shows: what every other family must beat."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.options import Options
from cu_pipeline.features.clip_features import ClipFeatures
from cu_pipeline.models.family import Examples, Fitted, Logits, Weights, reads_forms
from cu_pipeline.models.logistic import hard_labels, levels


class MajorityOptions(Options):
    """Parameters of the majority: there are none."""


@dataclass(frozen=True)
class MajorityModel:
    """The same answer about every clip.

    Attributes:
        level: float32 (classes): logits.
    """

    level: NDArray[np.float32]

    def logits(self, features: ClipFeatures) -> Logits:
        """Score clips: float32 (n, classes), all rows alike."""
        return np.tile(self.level, (len(features), 1))


class Majority:
    """The shares of the answers among the clips to learn from, as probabilities of every clip."""

    blind: ClassVar[bool] = True
    options: ClassVar[type[Options]] = MajorityOptions
    revision: ClassVar[int | str] = 1

    def reads(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """Vectors and texts, though they decide nothing, so that drift of what clips show is watched all the same."""
        return reads_forms(shapes, "vectors", "text") or list(shapes)

    def fit(self, train: Examples, validation: Examples, kind: Kind, options: MajorityOptions, seed: int) -> Fitted:
        """Count the answers of all clips."""
        del options, seed
        return Fitted({}, {"level": _level(train.joined(validation), kind)})

    def load(self, config: dict[str, Any], weights: Weights) -> MajorityModel:
        """Take the shares."""
        del config
        try:
            return MajorityModel(weights["level"])
        except KeyError as error:
            raise BundleError(f"weights {sorted(weights)} are not those of a majority: `level` is absent") from error


def _level(examples: Examples, kind: Kind) -> NDArray[np.float32]:
    return levels(hard_labels(examples.targets, kind), kind).astype(np.float32)
