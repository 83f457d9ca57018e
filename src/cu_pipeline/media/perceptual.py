"""Perceptual hashes of frames: 256 signs of a picture's coarse cosine waves.

Source of the form: Facebook's PDQ, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm" (2019);
here with signs about 0 rather than the median, so that mirroring a picture flips a known half of the bits, and with
the waves in order of frequency, so that the first 64 bits are a coarser hash of their own.
"""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.media.decoding import decode_sample
from cu_pipeline.media.orientation import orientation_of

if TYPE_CHECKING:
    from av import VideoFrame

Hashes = NDArray[np.uint64]

FRAMES: Final = 8
BITS: Final = 256
WORDS: Final = BITS // 64
VERSION: Final = 1
"""Raise this when the same file gives other hashes."""

_SIDE: Final = 80
_CROP: Final = 4
"""Pixels of `_SIDE` cut off at each edge: together a tenth."""

_HIGHEST: Final = 17
_FLAT: Final = 2.0
"""Standard deviation, in grey levels, below which a picture shows nothing."""


def frame_hashes(path: Path) -> Hashes:
    """Hash frames spread evenly over a clip, each whole and with a tenth of width and height cut off around.

    Returns:
        uint64, shape (FRAMES, 2, WORDS): frames in order of time; whole and cropped; bits from coarse to fine.
        All words of a picture that shows nothing (black, white) are 0.

    Raises:
        BadClipError: the file does not open, or a part that is needed does not decode.
    """
    return np.stack(decode_sample(path, FRAMES, _hash_frame))


def mirror_mask() -> Hashes:
    """Find the bits that change when a picture is mirrored left to right; shape (WORDS,)."""
    return _pack(_waves()[:, 1] % 2 == 1)


def hash_picture(grey: NDArray[np.float32]) -> Hashes:
    """Hash one picture.

    Args:
        grey: levels from 0 to 255, square.

    Returns:
        Shape (WORDS,).
    """
    if grey.std() < _FLAT:
        return np.zeros(WORDS, np.uint64)
    basis, waves = _basis(grey.shape[0]), _waves()
    return _pack((basis @ grey @ basis.T)[waves[:, 0], waves[:, 1]] > 0)


def _hash_frame(frame: "VideoFrame") -> Hashes:
    small = frame.reformat(_SIDE, _SIDE, format="gray", interpolation="AREA", threads=1).to_ndarray()
    grey = orientation_of(frame).apply(small).astype(np.float32)
    return np.stack([hash_picture(grey), hash_picture(grey[_CROP:-_CROP, _CROP:-_CROP])])


def _pack(bits: NDArray[np.bool_]) -> Hashes:
    return np.packbits(bits).view(">u8").astype(np.uint64)


@lru_cache
def _basis(side: int) -> NDArray[np.float32]:
    places = np.arange(side) + 0.5
    return np.cos(np.pi / side * np.outer(np.arange(_HIGHEST), places)).astype(np.float32)


@lru_cache
def _waves() -> NDArray[np.int64]:
    """List the vertical and horizontal frequency of each bit; shape (BITS, 2)."""
    found = sorted(
        ((down, across) for down in range(_HIGHEST) for across in range(_HIGHEST) if down or across),
        key=lambda wave: (wave[0] ** 2 + wave[1] ** 2, wave),
    )
    return np.array(found[:BITS])
