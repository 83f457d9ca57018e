"""Clips that show the same, by their pictures and captions."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from cu_pipeline.core.options import Options, Share
from cu_pipeline.core.records import DUPLICATES, table
from cu_pipeline.dedup.frame_hashes import Hashed, hash_key
from cu_pipeline.media.perceptual import BITS, Hashes, mirror_mask

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


class DuplicateOptions(Options):
    """When two clips count as copies of one another. Distances are mean differing bits of 256 over matched frames.

    Attributes:
        visual_bits: largest distance when the captions say nothing.
        captioned_bits: largest distance when the captions are alike.
        caption_similarity: shared three-letter runs (Jaccard) from which captions are alike.
    """

    visual_bits: float = Field(default=31, ge=0, le=128)
    captioned_bits: float = Field(default=56, ge=0, le=128)
    caption_similarity: Share = 0.6


_CHUNK: Final = 4096
_UNKNOWN: Final = BITS // 2
"""The distance from a picture that shows nothing: that of unrelated pictures."""


def distances(one: Hashes, other: Hashes) -> NDArray[np.float64]:
    """Measure how far clips differ at best as they are, with one of them cropped, or with one mirrored.

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


def match(hashes: Hashes, captions: Sequence[str], options: DuplicateOptions) -> tuple[Pairs, NDArray[np.float64]]:
    """Find pairs of clips that show the same.

    Args:
        hashes: of the clips, shape (clips, frames, 2, words).
        captions: of the clips.
        options: how near is near.

    Returns:
        Pairs of places, shape (pairs, 2), and their distances in bits.
    """
    pairs = candidate_pairs(hashes)
    bits = distances(hashes[pairs[:, 0]], hashes[pairs[:, 1]])
    limit = max(options.visual_bits, options.captioned_bits)
    near = bits <= limit
    pairs, bits = pairs[near], bits[near]
    sure = bits <= options.visual_bits
    alike = (caption_similarity(captions[one], captions[other]) for one, other in pairs[~sure])
    sure[~sure] = [similarity >= options.caption_similarity for similarity in alike]
    return pairs[sure], bits[sure]


def caption_similarity(one: str, other: str) -> float:
    """Measure the share of runs of three letters that two captions have in common (Jaccard); 0 if one has none.

    >>> caption_similarity("My cat at home", "my cat at HOME")
    1.0
    >>> caption_similarity("", "")
    0.0
    """
    left, right = _trigrams(one), _trigrams(other)
    return len(left & right) / len(left | right) if left and right else 0.0


def _trigrams(text: str) -> set[str]:
    text = " ".join(text.casefold().split())
    return {text[place : place + 3] for place in range(len(text) - 2)}


def duplicate_groups(clips: pd.DataFrame, hashes: Mapping[str, Hashed], options: DuplicateOptions) -> pd.DataFrame:
    """Find the groups of clips that show the same.

    Args:
        clips: `clip_id`, `media_sha256` and `text`.
        hashes: perceptual hashes by key.
        options: how near is near.

    Returns:
        `clip_id`, `duplicate_group` (its first clip's name) and `bits` (distance from the nearest other clip of the
        group, 0 for the same bytes), of the clips that have a duplicate, sorted by group.
    """
    from scipy.cluster.hierarchy import DisjointSet

    media = clips[clips["media_sha256"] != ""].sort_values("clip_id")
    firsts = media.drop_duplicates("media_sha256")
    keyed = [hashes.get(hash_key(sha)) for sha in firsts["media_sha256"]]
    shown = [place for place, found in enumerate(keyed) if found is not None and found.hashes is not None]
    files = firsts.iloc[shown]
    sets = DisjointSet(firsts["media_sha256"])
    bits = dict.fromkeys(media.loc[media.duplicated("media_sha256"), "media_sha256"], 0.0)
    if len(shown) > 1:
        stacked = np.stack([found.hashes for place in shown if (found := keyed[place]) and found.hashes is not None])
        names = files["media_sha256"].tolist()
        pairs, distances = match(stacked, files["text"].tolist(), options)
        for (one, other), distance in zip(pairs.tolist(), distances.tolist(), strict=True):
            sets.merge(names[one], names[other])
            for sha in (names[one], names[other]):
                bits[sha] = min(bits.get(sha, distance), distance)
    repeated = media[media["media_sha256"].isin(bits)]
    roots = [sets[sha] for sha in repeated["media_sha256"]]
    rows = repeated[["clip_id"]].assign(
        duplicate_group=repeated.groupby(np.array(roots, dtype=object))["clip_id"].transform("min"),
        bits=[round(bits[sha], 3) for sha in repeated["media_sha256"]],
    )
    return table(rows, DUPLICATES).sort_values(["duplicate_group", "clip_id"]).reset_index(drop=True)
