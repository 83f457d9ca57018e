"""Which clips may be near-duplicates, found without comparing all pairs."""

from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.media.perceptual import Hashes, mirror_mask

Pairs = NDArray[np.int64]

_BLOCKS: Final = (13, 13, 13, 13, 12)
_NEAR: Final = 12
"""Bits of 64 in which the coarse hashes of two frames may differ."""


def candidate_pairs(hashes: Hashes, window: int = 8) -> Pairs:
    """Find the pairs of clips of which two frames look alike: whole, cropped or mirrored.

    The 64 coarse bits of a frame are cut into five blocks; frames that agree in two blocks meet in one of ten sorted
    tables (Norouzi et al., "Fast Search in Hamming Space with Multi-Index Hashing", 2012), so all within 3 bits meet.
    In a table each frame meets only the `window` next ones: what very many clips share costs no more than what few
    share, and chains of neighbours still connect them. So time grows as n log n with the number of clips.

    Args:
        hashes: of the clips, shape (clips, frames, 2, words).
        window: how many neighbours in a table.

    Returns:
        Shape (pairs, 2), places of clips, the smaller first; sorted, each pair once.
    """
    words, owners = _entries(hashes)
    masks = (one | other for one, other in combinations(_block_masks(), 2))
    found = [_meetings(words, owners, mask, len(hashes), window) for mask in masks]
    codes = np.unique(np.concatenate(found))
    return np.stack(np.divmod(codes, max(len(hashes), 1)), axis=1)


def _entries(hashes: Hashes) -> tuple[Hashes, NDArray[np.int64]]:
    whole, cropped = hashes[:, :, 0, 0], hashes[:, :, 1, 0]
    words: Hashes = np.stack([whole, cropped, np.where(whole, whole ^ mirror_mask()[0], 0)], axis=1).reshape(-1)
    owners = np.repeat(np.arange(len(hashes)), 3 * hashes.shape[1])
    order = np.argsort(words, kind="stable")
    words, owners = words[order], owners[order]
    repeated = np.zeros(len(words), bool)
    repeated[1:] = (words[1:] == words[:-1]) & (owners[1:] == owners[:-1])
    used = (words != 0) & ~repeated
    return words[used], owners[used]


def _block_masks() -> list[np.uint64]:
    masks, start = [], 0
    for width in _BLOCKS:
        masks.append(np.uint64(((1 << width) - 1) << start))
        start += width
    return masks


def _meetings(words: Hashes, owners: NDArray[np.int64], mask: np.uint64, clips: int, window: int) -> NDArray[np.int64]:
    keys = words & mask
    order = np.argsort(keys, kind="stable")
    keys, words, owners = keys[order], words[order], owners[order]
    found = []
    for step in range(1, window + 1):
        met = np.flatnonzero((keys[:-step] == keys[step:]) & (owners[:-step] != owners[step:]))
        met = met[np.bitwise_count(words[met] ^ words[met + step]) <= _NEAR]
        one, other = owners[met], owners[met + step]
        found.append(np.minimum(one, other) * clips + np.maximum(one, other))
    return np.unique(np.concatenate(found))
