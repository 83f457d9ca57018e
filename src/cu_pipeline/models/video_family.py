"""A transformers video classifier, fine-tuned on the pixels of clips."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, overload

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.options import Options
from cu_pipeline.features.checkpoint import device_of
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.features.clip_processor import ClipProcessor
from cu_pipeline.features.pictures import Pictures
from cu_pipeline.models.family import Examples, Fitted, Logits, Weights, reads_forms
from cu_pipeline.models.fine_tuning import fine_tune
from cu_pipeline.models.fine_tuning_options import FineTuningOptions
from cu_pipeline.models.logistic import hard_labels, levels
from cu_pipeline.models.network_weights import load_network
from cu_pipeline.models.video_batches import AugmentOptions, EvaluationViews, VideoInput, mean_over_views, read_clips

_BATCH: Final = 8
_LEVELS: Final = "levels"


class VideoOptions(FineTuningOptions):
    """Parameters of a fine-tuned video classifier.

    Attributes:
        augment: what chance changes in training clips.
        views: crops of a clip that are looked at after training, along its longer side; their logits are averaged.
    """

    batch_size: int = Field(8, ge=1)
    augment: AugmentOptions = AugmentOptions()
    views: int = Field(1, ge=1, le=5)


class VideoModel:
    """A fine-tuned video classifier.

    Args:
        network: ready for inference.
        processor: of its frames.
        views: crops of a clip.
        level: logits (classes) of clips without pictures: how common classes are.
    """

    def __init__(self, network: Any, processor: ClipProcessor, views: int, level: NDArray[np.float32]) -> None:
        self._network, self._views, self._level = network, views, level
        self._input = VideoInput.of(network)
        self._prepare = EvaluationViews(processor, views)

    def logits(self, features: ClipFeatures) -> Logits:
        """Score clips: float32 (n, classes)."""
        import torch

        feature = _pictures(features)
        found = np.tile(self._level, (len(features), 1))
        seen = np.flatnonzero(feature.present)
        with torch.inference_mode():
            for start in range(0, len(seen), _BATCH):
                rows = seen[start : start + _BATCH]
                clips = read_clips(feature.values, rows.tolist(), self._input.frames)
                batch = self._prepare([clip.to(self._network.device) for clip in clips])
                logits = self._network(**{self._input.name: batch}).logits.float()
                found[rows] = mean_over_views(logits, self._views).cpu().numpy()
        return found


class Video:
    """Any transformers video classifier, from a folder or a hub, fitted end to end or by small matrices beside it."""

    options: ClassVar[type[Options]] = VideoOptions
    packages: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    revision: ClassVar[int | str] = "video/1"

    def reads(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """The pictures."""
        return reads_forms(shapes, "pictures")[:1]

    def fit(self, train: Examples, validation: Examples, kind: Kind, options: VideoOptions, seed: int) -> Fitted:
        """Fit the checkpoint; the epoch with the least validation loss is kept, the last one without validation.

        Clips without pictures teach only how common classes are.

        Raises:
            ConfigurationError: no clip has pictures.
        """
        seen = tuple(part.take(np.flatnonzero(_pictures(part.features).present)) for part in (train, validation))
        if not len(seen[0]):
            raise ConfigurationError("train.family=video: no clip to learn from has pictures; see the featurize log")
        contents = tuple(_Encoded(_pictures(part.features).values) for part in seen)
        fitted = fine_tune("video", (contents[0], contents[1]), (seen[0], seen[1]), kind, options, seed)
        level = levels(hard_labels(train.targets, kind), kind).astype(np.float32)
        return Fitted(fitted.config, dict(fitted.weights) | {_LEVELS: level}, fitted.history)

    def load(self, config: dict[str, Any], weights: Weights) -> VideoModel:
        """Build the network with its weights, on the best device there is."""
        from transformers import AutoModelForVideoClassification

        network = load_network(AutoModelForVideoClassification, config["network"], weights, device_of("auto"))
        processor = ClipProcessor.model_validate(config["processor"])
        return VideoModel(network, processor, int(config["views"]), np.array(weights[_LEVELS], dtype=np.float32))


class _Encoded(Sequence[list[bytes]]):
    """The JPEG files of clips that all have some, read when they are wanted."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    def __len__(self) -> int:
        return len(self._pictures)

    @overload
    def __getitem__(self, row: int) -> list[bytes]: ...
    @overload
    def __getitem__(self, row: slice) -> "_Encoded": ...
    def __getitem__(self, row: int | slice) -> "list[bytes] | _Encoded":
        if isinstance(row, slice):
            return _Encoded(self._pictures[row])
        if not 0 <= row < len(self):
            raise IndexError(row)
        return list(self._pictures.encoded(row) or ())


def _pictures(features: ClipFeatures) -> Feature:
    (feature,) = features.features.values()
    return feature
