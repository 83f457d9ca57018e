"""How far two clips differ, by the hashes of their frames."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.media.perceptual import BITS, Hashes, mirror_mask

_CHUNK: Final = 4096
_UNKNOWN: Final = BITS // 2
"""The distance from a picture that shows nothing: that of unrelated pictures."""


def distances(one: Hashes, other: Hashes) -> NDArray[np.float64]:
    """Give how far clips differ at best as they are, with one of them cropped, or with one mirrored.

    Each frame of one clip is matched with a frame of the other, in order of time (dynamic time warping of one side), so
    a clip cut out of another is near it, and one played backwards is not.

    Args:
        one: shape (pairs, frames, 2, words).
        other: the same shape.

    Returns:
        Mean differing bits of the matched frames, shape (pairs,); about BITS / 2 when unrelated.
    """
    parts = range(0, len(one), _CHUNK)
    return np.concatenate([np.empty(0), *(_distances(one[at : at + _CHUNK], other[at : at + _CHUNK]) for at in parts)])


def _distances(one: Hashes, other: Hashes) -> NDArray[np.float64]:
    whole, other_whole = one[:, :, 0], other[:, :, 0]
    views = (
        (whole, other_whole),
        (whole, other[:, :, 1]),
        (one[:, :, 1], other_whole),
        (whole, np.where(other_whole.any(-1, keepdims=True), other_whole ^ mirror_mask(), 0).astype(np.uint64)),
    )
    return np.minimum.reduce([_aligned(left, right) for left, right in views])


def _aligned(left: Hashes, right: Hashes) -> NDArray[np.float64]:
    bits = sum(
        np.bitwise_count(left[:, :, None, word] ^ right[:, None, :, word]).astype(np.int32)
        for word in range(left.shape[-1])
    )
    known = np.asarray(left.any(-1))[:, :, None] & np.asarray(right.any(-1))[:, None, :]
    table = np.where(known, bits, _UNKNOWN)
    return np.minimum(_warped(table), _warped(table.swapaxes(1, 2)))


def _warped(table: NDArray[np.int64]) -> NDArray[np.float64]:
    best = table[:, 0]
    for row in range(1, table.shape[1]):
        best = table[:, row] + np.minimum.accumulate(best, axis=1)
    return best.min(axis=1) / table.shape[1]
