"""Cross-validation by groups: what is one creator's, or a near-duplicate, is never on both sides."""

import warnings
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.hashing import text_sha256

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Fold:
    """One turn.

    Attributes:
        seen: int64: positions of the clips to learn from.
        unseen: int64: of those to predict.
    """

    seen: NDArray[np.int64]
    unseen: NDArray[np.int64]


def grouped_folds(groups: NDArray[np.int64], truth: NDArray[np.bool_], count: int, seed: int) -> list[Fold]:
    """Divide clips such that groups stay whole and answers are spread evenly, as far as that goes.

    Args:
        groups: (n): what is tied together.
        truth: (n, classes): the right answers.
        count: of folds; fewer where there are fewer groups.
        seed: of the order.

    Returns:
        None with fewer than two groups, and none where all clips have the same answer.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    combinations, answers, often = np.unique(truth, axis=0, return_inverse=True, return_counts=True)
    folds = min(count, len(np.unique(groups)))
    if folds < 2 or len(combinations) < 2:
        return []
    # where no answer is as common as folds are many, there is nothing to spread evenly
    kind = StratifiedGroupKFold if often.max() >= folds else GroupKFold
    divider = kind(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of answers with fewer clips than folds
        turns = list(divider.split(np.zeros(len(groups)), answers.ravel(), groups))
    return [Fold(seen, unseen) for seen, unseen in turns if len(seen) and len(unseen)]


def sample_of_units(units: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """Positions of the clips of random units, about `most` of them, in order; of all clips where there are no more.

    Args:
        units: (n): what is tied together.
        most: clips; the last unit may go beyond that.
        seed: of the draw.
    """
    if len(units) <= most:
        return np.arange(len(units))
    names, sizes = np.unique(units, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    drawn = order[: np.searchsorted(np.cumsum(sizes[order]), most) + 1]
    return np.flatnonzero(np.isin(units, names[drawn]))


def whole_units(groups: "pd.Series[str]", most: int) -> NDArray[np.int64]:
    """Positions of the clips of units that are drawn by a hash of their names until no further one has room, in order.

    So the same units are drawn from the same feed, and nearly the same ones when it grows.

    Args:
        groups: (n): the name of each clip's unit; clips of none are not drawn.
        most: clips. Where no unit is that small, or none has a name, the first so many.
    """
    sizes = Counter(groups.dropna())
    left, taken = most, set()
    for unit in sorted(sizes, key=text_sha256):
        if sizes[unit] <= left:
            taken.add(unit)
            left -= sizes[unit]
    places: NDArray[np.int64] = np.flatnonzero(groups.isin(taken).to_numpy())
    return places if len(places) else np.arange(min(most, len(groups)))
