from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.labeling.people.ballots import Ballots

_TOLERANCE = 1e-6
_MAX_ITERATIONS = 500


@dataclass(frozen=True)
class DawidSkene:
    """What Dawid and Skene's model makes of people's answers.

    Attributes:
        posterior: (clips, answers) probability of each answer being right; the prior where nobody voted.
        confusion: (annotators, answers, answers): how often an annotator gives each answer (column) where a
            given answer is right (row).
        prior: (answers,) how common each right answer is.
    """

    posterior: NDArray[np.float64]
    confusion: NDArray[np.float64]
    prior: NDArray[np.float64]

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """How often each annotator is right, (annotators,)."""
        return np.einsum("jcc,c->j", self.confusion, self.prior)


def fit_dawid_skene(ballots: Ballots, smoothing: float = 4.0) -> DawidSkene:
    """Estimate right answers and annotators' errors together, by expectation and maximisation.

    Each row of an annotator's confusion gets `smoothing` votes beforehand, spread like the answers of all
    annotators together: their common accuracy on the diagonal, the rest even. So who judged few clips counts
    as an average person, and no probability is 0. Clips with a gold answer keep it. The start is the share of
    votes.

    Source: Dawid & Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm",
    Applied Statistics 28 (1979), equations 2.3-2.5, with a Dirichlet prior.

    Args:
        ballots: of one question.
        smoothing: weight of the prior in votes, above 0.
    """
    posterior = _clamped(_shares(ballots), ballots)
    for _ in range(_MAX_ITERATIONS):
        prior, confusion = _maximise(posterior, ballots, smoothing)
        updated = _clamped(_normalised(log_joint(ballots, prior, confusion)), ballots)
        moved = np.abs(updated - posterior).max(initial=0.0)
        posterior = updated
        if moved < _TOLERANCE:
            break
    return DawidSkene(posterior, confusion, prior)


def log_joint(ballots: Ballots, prior: NDArray[np.float64], confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give log p(right answer, votes) of each clip, (clips, answers)."""
    logs = np.log(confusion)
    columns = [
        np.bincount(ballots.clip, weights=logs[ballots.annotator, right, ballots.answer], minlength=ballots.clips)
        for right in range(ballots.answers)
    ]
    return np.log(prior) + np.column_stack(columns)


def _maximise(
    posterior: NDArray[np.float64], ballots: Ballots, smoothing: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    answers = ballots.answers
    judged = (np.bincount(ballots.clip, minlength=ballots.clips) > 0) | (ballots.gold >= 0)
    prior = (posterior[judged].sum(axis=0) + 1 / answers) / (judged.sum() + 1)
    counts = _confusion_counts(posterior, ballots)
    right = (np.einsum("jcc->", counts) + 1) / (counts.sum() + 1 + 1 / answers)
    common = np.full((answers, answers), (1 - right) / (answers - 1))
    np.fill_diagonal(common, right)
    smoothed = counts + smoothing * common
    return prior, smoothed / smoothed.sum(axis=2, keepdims=True)


def _confusion_counts(posterior: NDArray[np.float64], ballots: Ballots) -> NDArray[np.float64]:
    """Give the expected number of votes by annotator, right answer and given answer."""
    answers, people = ballots.answers, len(ballots.annotators)
    cell = ballots.annotator * answers + ballots.answer
    tables = [
        np.bincount(cell, weights=posterior[ballots.clip, right], minlength=people * answers).reshape(people, answers)
        for right in range(answers)
    ]
    return np.stack(tables, axis=1)


def _shares(ballots: Ballots) -> NDArray[np.float64]:
    counts = ballots.counts()
    even = 1 / ballots.answers
    return (counts + even) / (counts.sum(axis=1, keepdims=True) + 1)


def _clamped(posterior: NDArray[np.float64], ballots: Ballots) -> NDArray[np.float64]:
    known = ballots.gold >= 0
    fixed = posterior.copy()
    fixed[known] = np.eye(ballots.answers)[ballots.gold[known]]
    return fixed


def _normalised(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    joint = np.exp(logs - logs.max(axis=1, keepdims=True))
    return joint / joint.sum(axis=1, keepdims=True)
