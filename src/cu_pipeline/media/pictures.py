"""JPEG files of clips: for language models and for pages."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.media.decoding import decode_sample, fitted, shown_sides, upright

if TYPE_CHECKING:
    from av import VideoFrame

QUALITY: Final = 80
"""Of JPEG files."""


def pictures(path: Path, count: int, side: int) -> tuple[bytes, ...]:
    """Take pictures of a clip, spread evenly over its time.

    Args:
        path: a local media file.
        count: how many.
        side: the longer side of each, in pixels, at most.

    Returns:
        JPEG files, in order of time.

    Raises:
        BadClipError: the file does not open or does not decode.
    """

    def shrink(frame: "VideoFrame") -> bytes:
        return jpeg(fitted(frame, side))

    return tuple(decode_sample(path, count, shrink))


def jpeg(image: NDArray[np.uint8], quality: int = QUALITY) -> bytes:
    """Write an RGB image, uint8 (height, width, 3), as a JPEG file."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def encoder_identity() -> str:
    """Name the encoder of JPEG files and its version."""
    from PIL import __version__, features

    library = "libjpeg_turbo" if features.check("libjpeg_turbo") else "jpg"
    return f"pillow@{__version__} {library}@{features.version(library)}"


def thumbnail(path: Path, height: int) -> bytes:
    """Take a small picture of a clip's middle.

    Args:
        path: a local media file.
        height: in pixels; the width follows from the sides' ratio.

    Returns:
        A JPEG file.

    Raises:
        BadClipError: the file does not open or does not decode.
    """

    def shrink(frame: "VideoFrame") -> bytes:
        wide, high = shown_sides(frame)
        return jpeg(upright(frame, max(round(height * wide / high), 1), height))

    return decode_sample(path, 1, shrink)[0]
