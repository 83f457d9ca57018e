"""Which of the clips that wait would teach most: a table of strategies, which the queue and their comparison share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.labeling.people.vectors import Vectors, rows_of_length_one

LEAST_DISTANCE: Final = 0.01
"""Distance that counts for a clip like one that was chosen already, so that it comes last but comes."""


@dataclass(frozen=True)
class Pool:
    """Clips that wait, and what is known of them.

    Attributes:
        vectors: (n, width), by which clips are alike.
        uncertainty: (n,), none below 0: how little is known of what people would say; a clip of 0 is not chosen.
        units: int64 (n,): clips of one creator and near-duplicates have the same number.
        asked: (n,): how many clips of a clip's unit people labelled, or have before them, already.
        copies: int64 (n,): near-duplicates of one another have the same number, others one of their own.
    """

    vectors: Vectors
    uncertainty: NDArray[np.float64]
    units: NDArray[np.int64]
    asked: NDArray[np.int64]
    copies: NDArray[np.int64]


_EQUAL: Final = 1e-6
"""Range of uncertainties within which all count as equal."""

Discount = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""By (n,) clips of a clip's unit asked about so far, and (n,) distances from the nearest clip that was chosen."""

Strategy = Callable[[Pool, int, Sequence[int]], list[int]]
"""Chooses at most so many clips, in order, beside those that are chosen already. Equal pools give equal choices."""


def by_uncertainty(pool: Pool, count: int, chosen: Sequence[int] = ()) -> list[int]:
    """Choose the clips that are least sure, each by itself.

    Source: Settles, "Active Learning Literature Survey" (2009).
    """
    return _greedy(pool, count, chosen, pool.uncertainty, lambda asked, _: np.ones(len(asked)))


def by_diversity(pool: Pool, count: int, chosen: Sequence[int] = ()) -> list[int]:
    """Choose the clips that are farthest from those chosen before, whatever is known of them.

    Source: Gonzalez, "Clustering to Minimize the Maximum Intercluster Distance" (1985).
    """
    return _greedy(pool, count, chosen, (pool.uncertainty > 0).astype(float), lambda _, nearest: nearest)


def combined(pool: Pool, count: int, chosen: Sequence[int] = ()) -> list[int]:
    """Choose the clips that are unsure, of creators that were asked about little, and unlike those chosen before.

    The value of a clip is its uncertainty, times (1 + clips of its unit asked about so far)^-1/2, which is how the
    standard error of what is known of a unit falls, times the fourth root of its distance from the nearest clip that
    was chosen. While all are equally unsure, at the start, only clips nearer than half count as like one another, since
    the farthest ones are outliers, of which a model learns little.
    """
    open_ones = pool.uncertainty[pool.uncertainty > 0]
    cold = len(open_ones) == 0 or np.ptp(open_ones) < _EQUAL

    def discount(asked: NDArray[np.float64], nearest: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((1 + asked) ** -0.5 * (np.minimum(2 * nearest, 1) if cold else nearest**0.25))

    return _greedy(pool, count, chosen, pool.uncertainty, discount)


STRATEGIES: Final[Mapping[str, Strategy]] = {
    "combined": combined,
    "uncertainty": by_uncertainty,
    "diversity": by_diversity,
}
"""What `label.queue.strategy` may name; `label.queue.random_share: 1` is the strategy without one."""


def _greedy(
    pool: Pool, count: int, chosen: Sequence[int], weights: NDArray[np.float64], discount: Discount
) -> list[int]:
    """Choose one by one the clip with the largest weight, discounted by those that were chosen already.

    It takes time in proportion to clips times width for each one chosen.

    Args:
        pool: of n clips.
        count: of clips to choose, at most.
        chosen: places of those that were chosen already.
        weights: (n,); a clip of weight 0 is not chosen.
        discount: of each clip.

    Returns:
        Places in order; of equals the first. Near-duplicates of those chosen come last.
    """
    rows = rows_of_length_one(pool.vectors)
    left, asked, nearest = weights.astype(float), pool.asked.astype(float), np.ones(len(weights))

    def take(place: int) -> None:
        alike = pool.copies == pool.copies[place]
        left[alike] *= LEAST_DISTANCE
        left[place] = 0
        asked[pool.units == pool.units[place]] += 1
        nearest[:] = np.minimum(nearest, np.maximum(1 - rows @ rows[place], LEAST_DISTANCE))

    for place in chosen:
        take(place)
    found: list[int] = []
    while len(found) < count and left.any():
        found.append(int(np.argmax(left * discount(asked, nearest))))
        take(found[-1])
    return found
