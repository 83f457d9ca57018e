import numpy as np
from numpy.typing import NDArray

from cu_pipeline.labeling.people.ballots import Ballots


def krippendorff_alpha(counts: NDArray[np.float64]) -> float | None:
    """Say how far people agree beyond chance: Krippendorff's alpha for nominal data with missing values.

    With n_uc votes for answer c on clip u, m_u votes on it (clips with one vote are left out), n_c votes for c
    and n votes in all, alpha = 1 - (n - 1) * sum_u [sum_{c<d} n_uc n_ud / (m_u - 1)] / sum_{c<d} n_c n_d.

    Source: Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section D.

    Args:
        counts: (clips, answers) number of votes.

    Returns:
        1: full agreement, 0: as by chance, below 0: worse; None where no clip has two votes or all votes are
        for one answer.

    >>> round(krippendorff_alpha(np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])), 4)
    0.4444
    """
    shared = counts[counts.sum(axis=1) > 1]
    alpha = _alphas(np.ones((1, len(shared))), shared)[0]
    return None if np.isnan(alpha) else float(alpha)


def alpha_interval(counts: NDArray[np.float64], seed: int, draws: int) -> list[float] | None:
    """Give the 95 % percentile bootstrap interval of `krippendorff_alpha`, clips being drawn with replacement.

    Args:
        counts: (clips, answers) number of votes.
        seed: of the draws.
        draws: number of resamples; those in which alpha is not defined are left out.
    """
    patterns, times = np.unique(counts[counts.sum(axis=1) > 1], axis=0, return_counts=True)
    if len(patterns) == 0:
        return None
    weights = np.random.default_rng(seed).multinomial(times.sum(), times / times.sum(), size=draws)
    alphas = _alphas(weights.astype(float), patterns)
    defined = alphas[~np.isnan(alphas)]
    return [float(edge) for edge in np.percentile(defined, [2.5, 97.5])] if len(defined) else None


def peer_agreement(ballots: Ballots) -> NDArray[np.float64]:
    """Say how often each annotator and another person who looked at the same clip give the same answer.

    Returns:
        (annotators,): the share of such pairs; NaN for one who never shared a clip.
    """
    counts = ballots.counts()
    same = counts[ballots.clip, ballots.answer] - 1
    others = counts.sum(axis=1)[ballots.clip] - 1
    size = len(ballots.annotators)
    agreeing = np.bincount(ballots.annotator, weights=same, minlength=size)
    pairs = np.bincount(ballots.annotator, weights=others, minlength=size)
    return np.divide(agreeing, pairs, out=np.full(size, np.nan), where=pairs > 0)


def _alphas(weights: NDArray[np.float64], shared: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give alpha for each of b weightings, (b, clips), of clips with several votes, (clips, answers)."""
    totals = weights @ shared
    observed = weights @ (_different_pairs(shared) / (shared.sum(axis=1) - 1))
    expected = _different_pairs(totals)
    ratio = np.divide(observed, expected, out=np.full(len(weights), np.nan), where=expected > 0)
    alphas: NDArray[np.float64] = 1 - (totals.sum(axis=1) - 1) * ratio
    return alphas


def _different_pairs(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Count the pairs of different answers in each row: sum_{c<d} n_c n_d."""
    return (counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1)) / 2
