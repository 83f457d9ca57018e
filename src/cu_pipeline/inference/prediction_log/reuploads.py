"""Which of the clips that a service sees are the same as earlier ones, though their files differ."""

from collections import defaultdict
from typing import Final

import numpy as np
from numpy.typing import NDArray

TABLES: Final = 8
BITS: Final = 20
"""Two embeddings at an angle of 0.05 agree in all bits of a table with probability (1 - 0.05/π)^20 = 0.73."""

NEAREST: Final = 8
"""Earlier clips of one bucket that a clip is held against; a longer list of equals is told by its last ones."""

CLOSE: Final = 0.05
"""Distance of two clips that are as good as equal, as a share of the clips' usual distance."""

_BLOCK: Final = 8192


def earlier_equals(vectors: NDArray[np.float16]) -> NDArray[np.int64]:
    """Find for each clip an earlier one whose embedding is as good as equal.

    Candidates agree in the signs of random projections (Charikar, "Similarity estimation techniques from rounding
    algorithms", STOC 2002), so that the work grows with the number of clips, not its square.

    Args:
        vectors: (n, width), in the order of time.

    Returns:
        (n,): the place of the earlier clip; -1 where there is none.
    """
    count = len(vectors)
    found = np.full(count, -1, dtype=np.int64)
    if count < 2 or not vectors.shape[1]:
        return found
    sample = vectors[:: max(1, count // _BLOCK)].astype(np.float32)
    centre, spread = sample.mean(axis=0), sample.std(axis=0)
    usual = float(np.sqrt(2 * (spread.astype(np.float64) ** 2).sum()))
    if not usual:
        return np.where(np.arange(count) > 0, 0, -1)
    rng = np.random.default_rng(0)
    planes = rng.standard_normal((vectors.shape[1], TABLES * BITS)).astype(np.float32)
    keys = np.concatenate([_keys(vectors[at : at + _BLOCK], centre, planes) for at in range(0, count, _BLOCK)])
    for table in range(TABLES):
        buckets: defaultdict[int, list[int]] = defaultdict(list)
        for place, key in enumerate(keys[:, table].tolist()):
            buckets[key].append(place)
        for places in buckets.values():
            if len(places) > 1:
                _match(places, vectors, CLOSE * usual, found)
    return found


def _keys(block: NDArray[np.float16], centre: NDArray[np.float32], planes: NDArray[np.float32]) -> NDArray[np.int64]:
    signs = ((block.astype(np.float32) - centre) @ planes > 0).reshape(len(block), TABLES, BITS)
    keys: NDArray[np.int64] = signs @ (1 << np.arange(BITS, dtype=np.int64))
    return keys


def _match(places: list[int], vectors: NDArray[np.float16], close: float, found: NDArray[np.int64]) -> None:
    """Hold each clip of a bucket against the ones before it; a match is told as the first of its chain."""
    for at in range(1, len(places)):
        place = places[at]
        if found[place] >= 0:
            continue
        before = places[max(0, at - NEAREST) : at]
        apart = vectors[before].astype(np.float32) - vectors[place].astype(np.float32)
        distances = np.sqrt((apart**2).sum(axis=1))
        nearest = int(distances.argmin())
        if distances[nearest] <= close:
            twin = before[nearest]
            found[place] = found[twin] if found[twin] >= 0 else twin
