"""Near-duplicates among clips, by what they show and what they say."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.dedup.alignment import distances
from cu_pipeline.dedup.index import Pairs, candidate_pairs
from cu_pipeline.media.perceptual import Hashes
from cu_pipeline.splitting.options import DuplicateOptions


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
    """Give the share of runs of three letters that two captions have in common (Jaccard); 0 if one has none.

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
