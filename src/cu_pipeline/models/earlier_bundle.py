"""Bundles of format 1, which held a fusion head of one video and one caption feature."""

import hashlib
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.models.family import Weights

_VIDEO, _CAPTION = "frames", "captions"

_RENAMED: Final = {
    "frame_mean": f"mean_{_VIDEO}",
    "frame_scale": f"scale_{_VIDEO}",
    "caption_mean": f"mean_{_CAPTION}",
    "caption_scale": f"scale_{_CAPTION}",
    "frame_in": f"token_in.{_VIDEO}",
    "trend_in": f"trend_in.{_VIDEO}",
    "caption_in": f"token_in.{_CAPTION}",
    "from_frames": f"expert.{_VIDEO}",
    "from_trend": f"trend_expert.{_VIDEO}",
    "from_caption": f"expert.{_CAPTION}",
}
"""Earlier -> present names of the head's layers."""


def converted(folder: Path, config: dict[str, Any], weights: Weights) -> tuple[dict[str, Any], Weights]:
    """Give configuration and weights the present form; the bundle keeps the version that it is known by.

    Raises:
        BundleError: the files do not agree with their version.
    """
    from safetensors.numpy import save

    version, unlabelled = config.pop("version", None), config.pop("unlabelled", None)
    digest = hashlib.sha256(save(dict(weights))).hexdigest()
    content = json_sha256([config | {"format": 1}, digest])[:12]
    if content != version:
        raise BundleError(f"{folder}: content hash is {content}, not {version}: a file was changed.")
    head, extractors = config.pop("head"), config.pop("extractors")
    shapes = {
        _VIDEO: [head.pop("frames"), head.pop("frame_width")],
        _CAPTION: [head.pop("caption_width")],
    }
    inputs = [{"name": name, "shape": shape, **extractors[name]} for name, shape in shapes.items()]
    now = config | {
        "family": "fusion",
        "model": head | {"inputs": [[name, shape] for name, shape in shapes.items()]},
        "inputs": inputs,
        "learned_from": config.get("learned_from", []),
        "known_as": version,
    }
    if unlabelled is not None:
        now["unlabelled"] = unlabelled
    return now, {_present_name(name): value for name, value in weights.items()}


def _present_name(name: str) -> str:
    layer, dot, rest = name.partition(".")
    return _RENAMED.get(layer, layer) + dot + rest
