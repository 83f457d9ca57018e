"""How much a person's answer about each clip would teach."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind

LEAST_DISTANCE = 0.01
"""Distance that counts for a clip like one that was chosen already, so that it comes last but comes."""

_WORD = r"\w+"


def uncertainty(
    labels: pd.DataFrame, clip_ids: Sequence[str], capabilities: Mapping[str, Capability]
) -> NDArray[np.float64]:
    """Say how little is known of each clip, on average over the capabilities.

    Of a single-label capability it is the entropy of the probabilities over that of an even guess; of a multi-label
    one the largest entropy of a class, in bits; without a label 1, with a certified one 0.

    Returns:
        (clips,) in [0, 1].
    """
    places = pd.Index(clip_ids)
    total: NDArray[np.float64] = np.zeros(len(places))
    for name, capability in capabilities.items():
        unknown = np.ones(len(places))
        rows = labels[labels["capability"] == name]
        where = places.get_indexer(pd.Index(rows["clip_id"]))
        known = where >= 0
        unknown[where[known]] = _entropies(rows[known], capability)
        total += unknown / len(capabilities)
    return total


def farthest_first(
    captions: Sequence[str], groups: Sequence[str], weights: NDArray[np.float64], count: int, start: int = 0
) -> list[int]:
    """Choose clips one by one, each time that with the largest weight times distance from those chosen before.

    The distance of two clips is 1 minus the cosine of their captions' TF-IDF vectors, 0 in a group of near-duplicates.
    It is the greedy farthest-first traversal (Gonzalez, 1985), weighted.

    Args:
        captions: n of them.
        groups: of near-duplicates; "" for a clip without any.
        weights: (n,); a clip of weight 0 is not chosen.
        count: of clips to choose, at most.
        start: the first clips that count as chosen before.

    Returns:
        Places of the chosen clips, in order; of equals the first.
    """
    vectors = _tf_idf(captions)
    names = np.asarray(groups, dtype=object)
    nearest = np.ones(len(captions))
    left = weights.astype(float).copy()
    left[:start] = 0

    def move(place: int) -> None:
        nearest[:] = np.minimum(nearest, 1 - (vectors @ vectors[place].T).toarray().ravel())
        if names[place]:
            nearest[names == names[place]] = 0
        left[place] = 0

    for place in range(start):
        move(place)
    chosen: list[int] = []
    while len(chosen) < count:
        best = int(np.argmax(left * np.maximum(nearest, LEAST_DISTANCE)))
        if left[best] <= 0:
            break
        chosen.append(best)
        move(best)
    return chosen


def _entropies(rows: pd.DataFrame, capability: Capability) -> NDArray[np.float64]:
    given = [json.loads(text) for text in rows["probabilities"]]
    chances = np.array([[one[name] for name in capability.classes] for one in given]).reshape(
        -1, len(capability.classes)
    )
    if capability.kind is Kind.SINGLE:
        found = _surprise(chances).sum(axis=1) / np.log2(len(capability.classes))
    else:
        found = (_surprise(chances) + _surprise(1 - chances)).max(axis=1)
    return np.where(rows["certified"].to_numpy(dtype=bool), 0.0, np.clip(found, 0, 1))


def _surprise(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    return -chances * np.log2(np.where(chances > 0, chances, 1))


def _tf_idf(captions: Sequence[str]) -> "NDArray[np.float64]":
    """Give sparse rows of length 1; a caption without words has a row of zeros."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    counts = HashingVectorizer(alternate_sign=False, norm=None, token_pattern=_WORD).transform(captions)
    return TfidfTransformer().fit_transform(counts).tocsr()
