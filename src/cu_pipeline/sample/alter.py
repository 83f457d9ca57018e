"""What uploading again does to the picture: a table from `Alteration` to a function of frames."""

from collections.abc import Callable
from typing import Final

import numpy as np
from PIL import Image

from cu_pipeline.sample.film import Frames
from cu_pipeline.sample.options import Alteration
from cu_pipeline.sample.shot import FPS
from cu_pipeline.sample.stickers import watermark

COARSER: Final = 6
"""Added to the rate factor of an altered copy."""

_CROPPED: Final = 0.1
_RESIZED: Final = 0.7


def _keep(frames: Frames, _: str) -> Frames:
    return frames


def _crop(frames: Frames, _: str) -> Frames:
    height, width = frames[0].shape[:2]
    top, left = round(height * _CROPPED / 2), round(width * _CROPPED / 2)
    rows, columns = _even(height * (1 - _CROPPED)), _even(width * (1 - _CROPPED))
    return [frame[top : top + rows, left : left + columns] for frame in frames]


def _resize(frames: Frames, _: str) -> Frames:
    height, width = frames[0].shape[:2]
    size = (_even(width * _RESIZED), _even(height * _RESIZED))
    return [np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC)) for frame in frames]


def _mirror(frames: Frames, _: str) -> Frames:
    return [np.ascontiguousarray(frame[:, ::-1]) for frame in frames]


def _trim(frames: Frames, _: str) -> Frames:
    return frames[FPS // 2 : -FPS // 2]


def _mark(frames: Frames, mark: str) -> Frames:
    layer = watermark(mark)
    pictures = [Image.fromarray(frame) for frame in frames]
    for picture in pictures:
        picture.paste(layer, (0, 0), layer)
    return [np.asarray(picture) for picture in pictures]


def _even(length: float) -> int:
    return int(length) // 2 * 2


ALTERATIONS: Final[dict[str, Callable[[Frames, str], Frames]]] = {
    Alteration.REENCODED: _keep,
    Alteration.CROPPED: _crop,
    Alteration.RESIZED: _resize,
    Alteration.MIRRORED: _mirror,
    Alteration.TRIMMED: _trim,
    Alteration.WATERMARKED: _mark,
}
"""Changes of the picture; a copy with a new caption alone keeps its bytes, so it is not here."""
