import numpy as np
from numpy.typing import NDArray

_DRAWS = 1000


def share_interval(part: int, whole: int) -> list[float] | None:
    """Give the exact 95 % interval of a share (Clopper & Pearson 1934); None of nothing.

    >>> share_interval(0, 10)
    [0.0, 0.3085]
    """
    if not whole:
        return None
    from scipy.special import betaincinv

    low = betaincinv(part, whole - part + 1, 0.025) if part else 0.0
    high = betaincinv(part + 1, whole - part, 0.975) if part < whole else 1.0
    return [round(float(low), 4), round(float(high), 4)]


def ratio_interval(paid: NDArray[np.float64], right: NDArray[np.float64], seed: int) -> list[float] | None:
    """Give the 95 % percentile bootstrap interval of sum(paid) / sum(right), clips drawn with replacement.

    Args:
        paid: (n,) US dollars.
        right: (n,) 1 where the label is right, or the probability that it is.
        seed: of the draws.
    """
    if not right.sum() > 0:
        return None
    patterns, times = np.unique(np.column_stack([paid, right]), axis=0, return_counts=True)
    weights = np.random.default_rng(seed).multinomial(times.sum(), times / times.sum(), size=_DRAWS)
    totals = weights @ patterns
    ratios = totals[totals[:, 1] > 0]
    return [round(float(edge), 9) for edge in np.percentile(ratios[:, 0] / ratios[:, 1], [2.5, 97.5])]
