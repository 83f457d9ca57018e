"""Which clips may show the same: an index of coarse frame hashes."""

from collections.abc import Iterator
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.media.perceptual import Hashes, mirror_mask

Pairs = NDArray[np.int64]

_STARTS: Final = (0, 13, 26, 39, 52, 64)
"""Where the five blocks of a word start, and the last ends."""

_NEAR: Final = 12
"""Bits of 64 in which the coarse hashes of two frames may differ."""

_CLIPS: Final = 2**18
"""Clips whose words are made, or looked through, at one time."""

_PART: Final = 2**22
"""Words that are sorted at one time, at most about twice as many."""

CHUNK: Final = 4096
"""Pairs that are given, and compared, at one time."""

_UNUSED: Final = 255
"""The part of what is no word."""

_MIXER: Final = np.uint64(0x9E3779B97F4A7C15)


def candidate_pairs(hashes: Hashes, window: int = 8) -> Iterator[Pairs]:
    """Find the pairs of clips of which two frames look alike: whole, cropped or mirrored.

    The 64 coarse bits of a frame are cut into five blocks; frames that agree in two blocks meet in one of ten sorted
    tables (Norouzi et al., "Fast Search in Hamming Space with Multi-Index Hashing", 2012), so all within 3 bits meet.
    In a table each frame meets only the `window` next ones: what very many clips share costs no more than what few
    share, and chains of neighbours still connect them. So time grows as n log n with the number of clips, as long as
    few meet by chance. What can meet in a table is sorted a part at a time, to need little memory beside the hashes.

    Args:
        hashes: of the clips, shape (clips, frames, 2, words).
        window: how many neighbours in a table.

    Yields:
        Shape (pairs, 2), places of clips, the smaller first; sorted, each pair once.
    """
    clips = max(len(hashes), 1)
    words = _words(hashes)
    tables = [_met(words, blocks, window) for blocks in combinations(range(len(_STARTS) - 1), 2)]
    del words
    codes = np.unique(np.concatenate(tables))
    del tables
    for start in range(0, len(codes), CHUNK):
        yield np.stack(np.divmod(codes[start : start + CHUNK], clips), axis=1)


def _words(hashes: Hashes) -> Hashes:
    """Take the coarse words of each clip's frames, whole, cropped and mirrored; each once, 0 in the place of others.

    Returns:
        Shape (clips, 3 * frames), sorted in each clip.
    """
    words = np.empty((len(hashes), 3 * hashes.shape[1]), np.uint64)
    for start in range(0, len(hashes), _CLIPS):
        some = hashes[start : start + _CLIPS, :, :, 0]
        whole, cropped = some[:, :, 0], some[:, :, 1]
        found = np.sort(np.concatenate([whole, cropped, np.where(whole, whole ^ mirror_mask()[0], 0)], axis=1), axis=1)
        found[:, 1:][found[:, 1:] == found[:, :-1]] = 0
        words[start : start + _CLIPS] = found
    return words


def _met(words: Hashes, blocks: tuple[int, int], window: int) -> NDArray[np.int64]:
    """Find the pairs that meet in the table of two blocks.

    Returns:
        Of each pair, once, the smaller place times the number of clips plus the larger; sorted.
    """
    clips, views = words.shape
    parts = min(1 << max(words.size // _PART, 1).bit_length() - 1, 128)
    part = _part_of(words, blocks, parts)
    words = words.reshape(-1)
    found = []
    for number in range(parts):
        places = np.flatnonzero(part == number)
        found.append(_neighbours(_moved(words[places], blocks), places // views, clips, blocks, window))
    return np.unique(np.concatenate(found))


def _part_of(words: Hashes, blocks: tuple[int, int], parts: int) -> NDArray[np.uint8]:
    """Tell in which part each word is; those that agree in both blocks are in one. Shape (clips * views,)."""
    mask = np.uint64(sum((1 << _STARTS[one + 1]) - (1 << _STARTS[one]) for one in blocks))
    part = np.zeros(words.shape, np.uint8)
    for start in range(0, len(words), _CLIPS):
        some = words[start : start + _CLIPS]
        if parts > 1:
            # the highest bits of a product depend on all bits of its factors
            part[start : start + _CLIPS] = (some & mask) * _MIXER >> np.uint64(65 - parts.bit_length())
        part[start : start + _CLIPS][some == 0] = _UNUSED
    return part.reshape(-1)


def _moved(words: Hashes, blocks: tuple[int, int]) -> Hashes:
    """Move two blocks of words to the front, so that words in order are in order of those blocks first."""
    blocks_in_order = [*blocks[::-1], *(one for one in (4, 3, 2, 1, 0) if one not in blocks)]
    moved, end = np.zeros_like(words), 64
    for one in blocks_in_order:
        width = _STARTS[one + 1] - _STARTS[one]
        end -= width
        moved |= (words >> np.uint64(_STARTS[one]) & np.uint64((1 << width) - 1)) << np.uint64(end)
    return moved


def _neighbours(
    words: Hashes, owners: NDArray[np.int64], clips: int, blocks: tuple[int, int], window: int
) -> NDArray[np.int64]:
    """Find the pairs that meet in a part of a table.

    Args:
        words: with the table's blocks in front.
        owners: the clips that they are of.
        clips: how many there are.
        blocks: of the table.
        window: how many next ones each meets.
    """
    order = np.argsort(words, kind="stable")
    words, owners = words[order], owners[order]
    keys = words >> np.uint64(64 - sum(_STARTS[one + 1] - _STARTS[one] for one in blocks))
    found = []
    for step in range(1, window + 1):
        met = np.flatnonzero((keys[:-step] == keys[step:]) & (owners[:-step] != owners[step:]))
        met = met[np.bitwise_count(words[met] ^ words[met + step]) <= _NEAR]
        one, other = owners[met], owners[met + step]
        found.append(np.minimum(one, other) * clips + np.maximum(one, other))
    return np.unique(np.concatenate(found))
