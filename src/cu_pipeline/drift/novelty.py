"""Novelty: clips that lie farther from all of the reference than its own clips do from each other."""

from typing import Final

import numpy as np
import numpy.typing as npt

from cu_pipeline.drift.clip_tests import DriftTest

NEIGHBOUR: Final = 3
"""A clip's distance from the reference is that from its so-many-th nearest clip of another unit there."""

LEVELS: Final = (0.95, 0.99)
"""Quantiles of the reference's own distances beyond which a clip is far."""

_AT_ONCE: Final = 1024

Distances = npt.NDArray[np.float32]


def novelty_test(
    name: str, vectors: npt.NDArray[np.floating], before: npt.NDArray[np.object_], now: npt.NDArray[np.object_]
) -> DriftTest:
    """A test of the share of novel clips; its effect is how much larger that is than in the reference itself.

    A clip's own unit is left out on both sides, so that a clip of the reference is as far from it as one of the same
    population that is new.

    Args:
        name: of the test.
        vectors: of the reference's clips followed by the current ones, shape (clips, dimensions).
        before: units of the reference's clips.
        now: units of the current clips.
    """
    far = distances(vectors, np.concatenate([before, now]), len(before))
    limits = np.quantile(far[: len(before)], LEVELS)
    scores = np.column_stack([far > limit for limit in limits])
    novel = scores[:, 0]
    order = np.argsort(-far[len(before) :], kind="stable")
    named = [int(place) for place in order if novel[len(before) + place]]
    shares = [float(side.mean()) for side in (novel[: len(before)], novel[len(before) :])]
    words = f"far from all that the models learned from: {shares[0]:.1%} → {shares[1]:.1%} of clips"
    return DriftTest(name, "novelty", scores.astype(np.float32), words, effect="first", novel=named)


def distances(vectors: npt.NDArray[np.floating], units: npt.NDArray[np.object_], reference: int) -> Distances:
    """How far each clip is from the reference, its first `reference` clips: to the `NEIGHBOUR`-th of another unit.

    Returns:
        Shape (clips,).
    """
    values = vectors.astype(np.float32)
    values = values - values[:reference].mean(axis=0)
    _, number = np.unique(units.astype(str), return_inverse=True)
    base, norms = values[:reference], (values[:reference] ** 2).sum(axis=1)
    found = []
    for first in range(0, len(values), _AT_ONCE):
        rows = values[first : first + _AT_ONCE]
        squared = norms - 2 * rows @ base.T + (rows**2).sum(axis=1)[:, None]
        squared[number[first : first + _AT_ONCE, None] == number[None, :reference]] = np.inf
        nearest = min(NEIGHBOUR, reference) - 1
        found.append(np.sqrt(np.maximum(np.partition(squared, nearest, axis=1)[:, nearest], 0)))
    return np.concatenate(found)
