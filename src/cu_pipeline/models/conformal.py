"""Sets of classes that hold the right one for a stated share of new clips."""

import numpy as np

from cu_pipeline.models.goal_thresholds import Unseen

EVERY_CLASS = 0.0
"""A threshold that all probabilities reach."""


def set_threshold(unseen: Unseen, coverage: float) -> float:
    """Find the probability that a class must reach to be in a clip's set.

    A class is in the set unless it is less likely than the right class was of all but `coverage` of the clips (least
    ambiguous sets; Sadinle, Lei & Wasserman, "Least ambiguous set-valued classifiers with bounded error levels", JASA,
    2019). Clips of a unit are alike, so each of K units has the weight 1 / (K + 1), shared by its clips, and the rest
    stands for the new unit, of which nothing is known (hierarchical conformal prediction; Lee, Barber & Willett,
    "Distribution-free inference with hierarchical data", 2023): for a clip of a new unit the coverage is kept on
    average, were the predictions those of one model. Cross-fitted ones are of several, each of which has learned from
    less than the model that answers, so that in practice the sets are a little too large.

    Args:
        unseen: predictions of n clips of a single-label capability by models that have not seen their units.
        coverage: share of new clips whose class is to be in their set.

    Returns:
        The threshold; 0 where there are too few units to leave out any class: fewer than coverage / (1 - coverage).
    """
    if not len(unseen.truth):
        return EVERY_CLASS
    known = unseen.probabilities[unseen.truth]
    _, place, sizes = np.unique(unseen.units, return_inverse=True, return_counts=True)
    order = np.argsort(-known, kind="stable")
    weights = 1 / ((len(sizes) + 1) * sizes[place[order]])
    reached = np.flatnonzero(np.cumsum(weights) >= coverage - _ROUNDING)
    return float(known[order[reached[0]]]) if len(reached) else EVERY_CLASS


_ROUNDING = 1e-12
