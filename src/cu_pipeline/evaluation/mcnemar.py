"""The exact McNemar test, for models on clips that are independent of each other."""

import numpy as np
from numpy.typing import NDArray


def mcnemar(challenger: NDArray[np.bool_], champion: NDArray[np.bool_]) -> float:
    """Test whether the challenger is right more often, by the exact one-sided McNemar test.

    Source: McNemar (Psychometrika, 1947), with the exact binomial tail. Where both models are equally good the
    p-value is at most `a` with probability at most `a`.

    Args:
        challenger: bool (n): right or wrong on each test clip.
        champion: the same for the champion, on the same clips.

    >>> mcnemar(np.array([True] * 5), np.array([False] * 5))
    0.03125
    >>> mcnemar(np.array([True, False]), np.array([True, False]))
    1.0
    """
    from scipy.stats import binomtest

    gained = int((challenger & ~champion).sum())
    lost = int((~challenger & champion).sum())
    if gained + lost == 0:
        return 1.0
    return float(binomtest(gained, gained + lost, 0.5, alternative="greater").pvalue)
