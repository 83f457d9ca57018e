"""Tests and intervals behind the guarantee that at most a share of the accepted labels is wrong."""

import math

import numpy as np
from numpy.typing import NDArray

MOST_ACCEPTED = 1 << 17
"""Calibration clips beyond which none are asked for."""


def binomial_p_values(wrong: NDArray[np.int64], accepted: NDArray[np.int64], alpha: float) -> NDArray[np.float64]:
    """Test "more than a share `alpha` of the accepted labels is wrong" against "at most that share".

    The p-value is P(X <= wrong) for X binomial with `accepted` trials of chance `alpha`: exact, and below
    delta just when the upper Clopper-Pearson bound at confidence 1 - delta is below `alpha`.

    Source: Clopper & Pearson, Biometrika 26 (1934); Angelopoulos, Bates, Candès, Jordan & Lei, "Learn then
    Test" (2021), section 2.1 and appendix B.

    Args:
        wrong: any shape; among the accepted clips of a random sample.
        accepted: likewise.
        alpha: in (0, 1).

    Returns:
        Of the same shape; 1 where nothing is accepted.
    """
    from scipy.special import bdtr

    return np.where(wrong >= accepted, 1.0, bdtr(wrong.astype(float), np.maximum(accepted, 1), alpha))


def fixed_sequence(p_values: NDArray[np.float64], start: int, delta: float) -> NDArray[np.bool_]:
    """Reject hypotheses along a path so that a true one is rejected with probability at most `delta`.

    From the start it goes on, each test at the whole of delta, until the first p-value above it.

    Source: Angelopoulos et al., "Learn then Test" (2021), algorithm 1 (fixed sequence testing).

    Args:
        p_values: (steps,) in an order that does not depend on them.
        start: step to begin with; likewise. The number of steps: nothing is tested.
        delta: in (0, 1).

    Returns:
        (steps,): which are rejected.

    >>> fixed_sequence(np.array([0.5, 0.01, 0.02, 0.5, 0.0]), 1, 0.05).tolist()
    [False, True, True, False, False]
    """
    failed = (p_values > delta) & (np.arange(len(p_values)) >= start)
    end = int(failed.argmax()) if failed.any() else len(p_values)
    rejected = np.zeros(len(p_values), dtype=bool)
    rejected[start:end] = True
    return rejected


def fewest_accepted(alpha: float, delta: float) -> int:
    """Count the accepted calibration clips that certify anything at all: none of them wrong, (1-alpha)^m <= delta.

    >>> fewest_accepted(0.05, 0.05)
    59
    """
    return math.ceil(math.log(delta) / math.log1p(-alpha))


def labels_needed(alpha: float, delta: float, share: float, error: float, most: float = MOST_ACCEPTED) -> int | None:
    """Count the calibration labels that certify `alpha` if a source goes on as it was seen to do.

    The smallest n whose m = floor(n * share) accepted clips, floor(m * error) of them wrong, have
    P(X <= wrong) <= delta for X binomial (m, alpha).

    Args:
        alpha: largest share of wrong labels.
        delta: of the one test.
        share: of clips that are accepted, above 0.
        error: share of them that is wrong.
        most: accepted clips up to which a number is sought.

    Returns:
        None where no number will do, or none up to the most.
    """
    if error >= alpha or _fails(int(most), alpha, delta, error):
        return None
    size = fewest_accepted(alpha, delta)
    while size <= most:
        accepted = np.arange(size, 2 * size)
        enough = np.flatnonzero(binomial_p_values(np.floor(accepted * error), accepted, alpha) <= delta)
        if len(enough):
            return math.ceil(accepted[enough[0]] / share)
        size *= 2
    return None


def share_interval(part: int, whole: int) -> list[float] | None:
    """Compute the exact 95 % interval of a share (Clopper & Pearson 1934); None of nothing.

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
    """Compute the 95 % interval of sum(paid) / sum(right) over a random sample of clips; None where nothing is right.

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


def _fails(accepted: int, alpha: float, delta: float, error: float) -> bool:
    return bool(binomial_p_values(np.floor(np.array(accepted * error)), np.array(accepted), alpha) > delta)
