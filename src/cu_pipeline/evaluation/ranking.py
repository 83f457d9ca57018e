"""How well probabilities put the clips of a class before the others: average precision and AUROC.

Both follow from how many clips of the class, and how many others, have each score. So clips may have weights, and a
thousand weightings are measured at once.
"""

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.evaluation.grouping import Grouping


def rankings(
    truth: NDArray[np.bool_], probabilities: NDArray[np.float64], groups: Grouping, levels: int | None = None
) -> NDArray[np.float64]:
    """Count the clips of each class, and the others, at each score.

    Args:
        truth: bool (n, classes).
        probabilities: (n, classes).
        groups: of the clips.
        levels: into how many scores those of a class are put together, neighbours with neighbours and about as many
            clips in each; None: they stay as they are.

    Returns:
        (groups, 2, classes, levels): clips of the class (0), and others (1), by score, the highest first.
    """
    n, classes = truth.shape
    places = np.empty((n, classes), dtype=np.int64)
    for column, scores in enumerate(probabilities.T):
        distinct, place = np.unique(-scores, return_inverse=True)
        if levels is not None and len(distinct) > levels:
            counts = np.bincount(place)
            place = ((np.cumsum(counts) - counts) * levels // n)[place]
        places[:, column] = place
    shape = (groups.count, 2, classes, int(places.max(initial=0)) + 1)
    cells = np.ravel_multi_index((groups.places[:, None], (~truth).astype(np.int64), np.arange(classes), places), shape)
    return np.bincount(cells.ravel(), minlength=int(np.prod(shape))).astype(np.float64).reshape(shape)


def average_precisions(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """The precision at each score, weighted by the recall that it adds, as scikit-learn has it.

    Args:
        totals: (..., 2, classes, levels) of `rankings`.

    Returns:
        (..., classes); NaN for a class without clips.
    """
    own, others = totals[..., 0, :, :], totals[..., 1, :, :]
    hits = np.cumsum(own, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.nan_to_num(hits / (hits + np.cumsum(others, axis=-1)))
        return np.asarray((precision * own).sum(axis=-1) / hits[..., -1])


def aurocs(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """The chance that a clip of the class has a higher score than another clip, a tie being half.

    Args:
        totals: (..., 2, classes, levels) of `rankings`.

    Returns:
        (..., classes); NaN for a class without clips, or of all clips.
    """
    own, others = totals[..., 0, :, :], totals[..., 1, :, :]
    below = np.cumsum(others[..., ::-1], axis=-1)[..., ::-1] - others / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((own * below).sum(axis=-1) / (own.sum(axis=-1) * others.sum(axis=-1)))
