"""Why a model answers as it does: what was seen and read of a clip, and what it would say without a modality."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Final

from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.features.extractor import empty_values
from cu_pipeline.features.table import modality_of
from cu_pipeline.media.sampling import Sampling
from cu_pipeline.models.scorer import Scorer

if TYPE_CHECKING:
    from av import VideoFrame

SHOTS: Final = 8
SIDE: Final = 160
"""Pixels of a shot's longer side."""

_QUALITY: Final = 75

Shot = tuple[float, bytes]
"""Seconds into the clip, and the frame as a JPEG."""


@dataclass(frozen=True)
class Explanation:
    """What people see beside an answer.

    Attributes:
        frames: seconds into the clip and a small JPEG, of frames spread evenly over the clip.
        screen_text: what was read in the frames; "" where no model reads it.
        without: capability -> modality -> class -> probability when that modality is hidden from the model; of models
            that look at several modalities.
    """

    frames: list[Shot]
    screen_text: str
    without: dict[str, dict[str, dict[str, float]]]


class Shots:
    """Small pictures of a clip, taken while it is decoded for the models."""

    @property
    def sampling(self) -> Sampling[Shot]:
        """Frames spread evenly over the clip's time."""
        return Sampling(SHOTS, _shot)

    def prepare(self, content: list[Shot]) -> list[Shot]:
        """Each frame once, where a clip has fewer than are asked for."""
        return list(dict.fromkeys(content))


def _shot(frame: "VideoFrame") -> Shot:
    import cv2

    from cu_pipeline.media.decoding import fitted

    _, jpeg = cv2.imencode(".jpg", fitted(frame, SIDE)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return round(frame.time or 0.0, 3), jpeg.tobytes()


def modalities_of(inputs: Iterable[str]) -> dict[str, list[str]]:
    """What a model looks at: modality -> the features that it reads of it.

    >>> modalities_of(["frames", "motion", "captions", "caption_text"])
    {'frames': ['frames'], 'motion': ['motion'], 'caption': ['captions', 'caption_text']}
    """
    found: dict[str, list[str]] = {}
    for name in inputs:
        found.setdefault(modality_of(name), []).append(name)
    return found


def hide(features: ClipFeatures, names: list[str]) -> ClipFeatures:
    """The same clips as if none of them had some features."""
    kept = dict(features.features)
    for name in names:
        kept[name] = Feature.read(empty_values(features.shapes[name], len(features)))
    return ClipFeatures(kept, len(features))


def without_each(scorer: Scorer, features: ClipFeatures) -> dict[str, dict[str, float]]:
    """Ask a model about one clip again, each time without one of the modalities that the clip has.

    Args:
        scorer: of the model.
        features: of the clip, that the model reads.

    Returns:
        Modality -> class -> probability; nothing where there is but one modality.
    """
    present = {
        modality: names
        for modality, names in modalities_of(scorer.bundle.inputs).items()
        if any(features[name].present.any() for name in names)
    }
    if len(present) < 2:
        return {}
    clips = reduce(ClipFeatures.joined, [hide(features, names) for names in present.values()])
    rows = scorer.probabilities(clips)
    return {name: _by_class(scorer, row) for name, row in zip(present, rows.tolist(), strict=True)}


def screen_text(features: Mapping[str, Feature], texts_of_media: Iterable[str]) -> str:
    """What was read in a clip's frames.

    Args:
        features: of the one clip, by any name.
        texts_of_media: names of those that are text and come from the media.
    """
    return " / ".join(text for name in texts_of_media if name in features and (text := features[name].values[0]))


def _by_class(scorer: Scorer, row: list[float]) -> dict[str, float]:
    return dict(zip(scorer.bundle.classes, row, strict=True))
