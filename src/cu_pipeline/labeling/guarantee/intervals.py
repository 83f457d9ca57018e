import numpy as np
from numpy.typing import NDArray


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


def ratio_interval(paid: NDArray[np.float64], right: NDArray[np.float64]) -> list[float] | None:
    """Give the 95 % interval of sum(paid) / sum(right) over a random sample of clips; None where nothing is right.

    With ratio r, its standard error is the root of sum (paid - r right)^2, divided by sum(right): the delta method
    (Cochran, "Sampling Techniques", 1977, section 6.4).

    Args:
        paid: (n,) US dollars.
        right: (n,) 1 where the label is right, or the probability that it is.
    """
    total = right.sum()
    if not total > 0:
        return None
    ratio = paid.sum() / total
    error = 1.96 * float(np.sqrt(((paid - ratio * right) ** 2).sum())) / total
    return [round(float(max(ratio - error, 0.0)), 9), round(float(ratio + error), 9)]
