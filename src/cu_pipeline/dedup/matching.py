"""Clips that show the same, by their pictures and captions."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from cu_pipeline.core.options import Options, Share
from cu_pipeline.core.records import DUPLICATES, table
from cu_pipeline.core.text_columns import as_arrow, as_mask, encoded, stand_for
from cu_pipeline.dedup.frame_hashes import hash_key
from cu_pipeline.dedup.hash_table import HashTable
from cu_pipeline.dedup.index import Pairs, candidate_pairs
from cu_pipeline.media.perceptual import BITS, Hashes, mirror_mask


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
    limit = max(options.visual_bits, options.captioned_bits)
    found: list[tuple[Pairs, NDArray[np.float64]]] = [(np.empty((0, 2), np.int64), np.empty(0))]
    for pairs in candidate_pairs(hashes):
        bits = distances(hashes[pairs[:, 0]], hashes[pairs[:, 1]])
        near = bits <= limit
        found.append((pairs[near], bits[near]))
    pairs, bits = (np.concatenate(parts) for parts in zip(*found, strict=True))
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


def duplicate_groups(clips: pd.DataFrame, hashes: HashTable, options: DuplicateOptions) -> pd.DataFrame:
    """Find the groups of clips that show the same.

    Args:
        clips: `clip_id`, `media_sha256` and `text`.
        hashes: perceptual hashes by key.
        options: how near is near.

    Returns:
        `clip_id`, `duplicate_group` (its first clip's name) and `bits` (distance from the nearest other clip of the
        group, 0 for the same bytes), of the clips that have a duplicate, sorted by group.
    """
    shas = as_arrow(clips["media_sha256"])
    rows = np.flatnonzero(as_mask(pc.not_equal(shas, "")))
    rows = rows[pc.sort_indices(as_arrow(clips["clip_id"]).take(rows)).to_numpy()]
    file, files = encoded(shas.take(rows))
    first = np.unique(file, return_index=True)[1]
    pairs, distances = _matched_files(files, as_arrow(clips["text"]).take(rows[first]), hashes, options)
    bits = np.where(np.bincount(file) > 1, 0.0, np.inf)
    for ends in pairs.T:
        np.minimum.at(bits, ends, distances)
    repeated = np.flatnonzero(np.isfinite(bits[file]))
    # files are numbered by their first clips, so the least number stands for the first clip of all
    group = first[stand_for(pairs, len(files))[file[repeated]]]
    order = np.argsort(group, kind="stable")
    names = clips["clip_id"].iloc[rows].to_numpy(object)
    found = {
        "clip_id": names[repeated[order]],
        "duplicate_group": names[group[order]],
        "bits": [round(one, 3) for one in bits[file[repeated[order]]].tolist()],
    }
    return table(pd.DataFrame(found), DUPLICATES)


def _matched_files(
    files: pa.Array, captions: pa.Array, hashes: HashTable, options: DuplicateOptions
) -> tuple[Pairs, NDArray[np.float64]]:
    """Find pairs of files with hashes that show the same, shape (pairs, 2), by their places, and their distances."""
    places, shown = hashes.shown([hash_key(sha) for sha in files.to_pylist()])
    pairs, distances = match(shown, captions.take(pa.array(places)).to_pylist(), options)
    return places[pairs], distances
