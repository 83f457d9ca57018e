from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.labeling.people.crowd import DawidSkene, log_joint
from cu_pipeline.labeling.people.votes import Votes

SPAMMER_BELOW = 0.1
"""Score under which answers are of no use. With two answers, a person who is right 66 % of the time has it."""


_MAX_VOTES = 5000
"""Of an annotator that are scored; of more, a random sample."""


class Verdict(StrEnum):
    """What the answers say of who gave them."""

    INFORMATIVE = "informative"
    SPAMMER = "spammer"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Informativeness:
    """How far an annotator's answers depend on what is right.

    Attributes:
        score: 0: not at all (always the same, or at random), 1: always right; may fall below 0 by chance.
        low: of the 95 % interval.
        high: of the 95 % interval.
        verdict: a spammer's interval lies below `SPAMMER_BELOW` and holds 0; an informative one's lies above 0.
    """

    score: float
    low: float
    high: float
    verdict: Verdict


def informativeness(said: Votes, fitted: DawidSkene, seed: int, draws: int) -> list[Informativeness]:
    """Score each annotator against what the others and the gold answers say is right.

    The score is Raykar and Yu's: with A_ca = P(answer a | c is right) and C answers, it is the mean over pairs
    c < d of |A_c - A_d|^2 / 2. It is 0 for every annotator whose answers ignore the clip. The sampling variance
    of A is subtracted, so that few votes do not look like knowledge. Clips that nobody else judged are left out.

    Source: Raykar & Yu, "Eliminating Spammers and Ranking Annotators for Crowdsourced Labeling Tasks", JMLR 13
    (2012), equation 9; intervals by bootstrap over clips (Efron & Tibshirani 1993, chapter 13).

    Args:
        said: of one question.
        fitted: Dawid and Skene's model of them.
        seed: of the draws.
        draws: number of resamples.

    Returns:
        One for each of `said.annotators`.
    """
    logs = log_joint(said, fitted.prior, fitted.confusion)
    votes = np.bincount(said.clip, minlength=said.clips)
    random = np.random.default_rng(seed)
    checked = (votes[said.clip] > 1) | (said.gold[said.clip] >= 0)
    result = []
    for place in range(len(said.annotators)):
        mine = np.flatnonzero((said.annotator == place) & checked)
        if len(mine) > _MAX_VOTES:
            mine = random.choice(mine, _MAX_VOTES, replace=False)
        clip, answer = said.clip[mine], said.answer[mine]
        without = logs[clip] - np.log(fitted.confusion[place])[:, answer].T
        result.append(_judge(_truth(without, said.gold[clip]), answer, random, draws))
    return result


def _truth(logs: NDArray[np.float64], gold: NDArray[np.int64]) -> NDArray[np.float64]:
    joint = np.exp(logs - logs.max(axis=1, keepdims=True))
    truth = joint / joint.sum(axis=1, keepdims=True)
    truth[gold >= 0] = np.eye(logs.shape[1])[gold[gold >= 0]]
    return truth


def _judge(
    right: NDArray[np.float64], answer: NDArray[np.int64], random: np.random.Generator, draws: int
) -> Informativeness:
    votes = len(answer)
    if votes < 2:
        return Informativeness(float("nan"), float("nan"), float("nan"), Verdict.UNDECIDED)
    plain, corrected = (values[0] for values in _scores(np.ones((1, votes)), right, answer))
    weights = random.multinomial(votes, np.full(votes, 1 / votes), size=draws).astype(float)
    resampled = _scores(weights, right, answer)[1]
    # resamples scatter around the plain score, which is too high by the correction
    low, high = np.percentile(resampled, [2.5, 97.5]) + corrected - plain
    verdict = Verdict.UNDECIDED
    if low > 0:
        verdict = Verdict.INFORMATIVE
    elif high < SPAMMER_BELOW:
        verdict = Verdict.SPAMMER
    return Informativeness(float(corrected), float(low), float(high), verdict)


def _scores(
    weights: NDArray[np.float64], right: NDArray[np.float64], answer: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the scores, (b,), of b weightings, (b, votes): plain, and less the sampling variance.

    An answer that is right nowhere in a resample is left out.
    """
    size = right.shape[1]
    given = np.eye(size)[answer]
    counts = (weights @ (right[:, :, None] * given[:, None, :]).reshape(len(right), -1)).reshape(-1, size, size)
    total, squares = counts.sum(axis=2), weights @ right**2
    seen = total > 1e-9
    rows = counts / np.where(seen, total, 1)[:, :, None]
    effective = np.where(seen, total**2 / np.where(seen, squares, 1), 1)
    known = seen & (effective > 1.5)
    variance = (rows * (1 - rows)).sum(axis=2) / np.maximum(effective - 1, 1)
    pairs = known[:, :, None] & known[:, None, :] & np.triu(np.ones((size, size), dtype=bool), 1)
    distance = ((rows[:, :, None] - rows[:, None, :]) ** 2).sum(axis=3)
    noise = variance[:, :, None] + variance[:, None, :]
    number = np.maximum(pairs.sum(axis=(1, 2)), 1)
    plain = np.where(pairs, distance, 0).sum(axis=(1, 2)) / (2 * number)
    return plain, plain - np.where(pairs, noise, 0).sum(axis=(1, 2)) / (2 * number)
