"""How the answers of several people become one: by majority, or weighed by each one's estimated errors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.labeling.people.options import Method, PeopleOptions
from cu_pipeline.labeling.people.votes import Opinion, Votes, count_votes, votes_by_question

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


def fit_dawid_skene(said: Votes, smoothing: float = 4.0) -> DawidSkene:
    """Estimate right answers and annotators' errors together, by expectation and maximisation.

    Each row of an annotator's confusion gets `smoothing` votes beforehand, spread like the answers of all
    annotators together: their common accuracy on the diagonal, the rest even. So who judged few clips counts
    as an average person, and no probability is 0. Clips with a gold answer keep it. The start is the share of
    votes.

    Source: Dawid & Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm",
    Applied Statistics 28 (1979), equations 2.3-2.5, with a Dirichlet prior.

    Args:
        said: of one question.
        smoothing: weight of the prior in votes, above 0.
    """
    posterior = _clamped(_shares(said), said)
    for _ in range(_MAX_ITERATIONS):
        prior, confusion = _maximise(posterior, said, smoothing)
        updated = _clamped(normalised(log_joint(said, prior, confusion)), said)
        moved = np.abs(updated - posterior).max(initial=0.0)
        posterior = updated
        if moved < _TOLERANCE:
            break
    return DawidSkene(posterior, confusion, prior)


def log_joint(said: Votes, prior: NDArray[np.float64], confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute log p(right answer, votes) of each clip, (clips, answers)."""
    logs = np.log(confusion)
    columns = [
        np.bincount(said.clip, weights=logs[said.annotator, right, said.answer], minlength=said.clips)
        for right in range(said.answers)
    ]
    return np.log(prior) + np.column_stack(columns)


def _maximise(
    posterior: NDArray[np.float64], said: Votes, smoothing: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    answers = said.answers
    judged = (np.bincount(said.clip, minlength=said.clips) > 0) | (said.gold >= 0)
    prior = (posterior[judged].sum(axis=0) + 1 / answers) / (judged.sum() + 1)
    counts = _confusion_counts(posterior, said)
    right = (np.einsum("jcc->", counts) + 1) / (counts.sum() + 1 + 1 / answers)
    common = np.full((answers, answers), (1 - right) / (answers - 1))
    np.fill_diagonal(common, right)
    smoothed = counts + smoothing * common
    return prior, smoothed / smoothed.sum(axis=2, keepdims=True)


def _confusion_counts(posterior: NDArray[np.float64], said: Votes) -> NDArray[np.float64]:
    """Count the expected number of votes by annotator, right answer and given answer."""
    answers, people = said.answers, len(said.annotators)
    cell = said.annotator * answers + said.answer
    tables = [
        np.bincount(cell, weights=posterior[said.clip, right], minlength=people * answers).reshape(people, answers)
        for right in range(answers)
    ]
    return np.stack(tables, axis=1)


def _shares(said: Votes) -> NDArray[np.float64]:
    counts = said.counts()
    even = 1 / said.answers
    return (counts + even) / (counts.sum(axis=1, keepdims=True) + 1)


def _clamped(posterior: NDArray[np.float64], said: Votes) -> NDArray[np.float64]:
    known = said.gold >= 0
    fixed = posterior.copy()
    fixed[known] = np.eye(said.answers)[said.gold[known]]
    return fixed


def normalised(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn logarithms of weights, (n, k), into shares that sum to 1."""
    joint = np.exp(logs - logs.max(axis=1, keepdims=True))
    return joint / joint.sum(axis=1, keepdims=True)


def people_say(
    annotations: pd.DataFrame, clip_ids: "pd.Index[str]", capability: Capability, options: PeopleOptions
) -> Opinion:
    """Turn people's annotations into class probabilities, by the chosen method.

    Args:
        annotations: people's, of this capability.
        clip_ids: unique; the rows of the result.
        capability: with its classes.
        options: the method and its settings.
    """
    return _METHODS[options.method](annotations, clip_ids, capability, options)


def _majority(
    annotations: pd.DataFrame, clip_ids: "pd.Index[str]", capability: Capability, options: PeopleOptions
) -> Opinion:
    return count_votes(annotations, clip_ids, capability, options.smoothing)


def _dawid_skene(
    annotations: pd.DataFrame, clip_ids: "pd.Index[str]", capability: Capability, options: PeopleOptions
) -> Opinion:
    """Weigh people by their errors; where no two answers can be compared, these are unknown and all count alike."""
    plain = _majority(annotations, clip_ids, capability, options)
    questions = votes_by_question(annotations, clip_ids, capability)
    if not all(_comparable(question) for question in questions.values()):
        return plain
    fitted = {name: fit_dawid_skene(one, options.confusion_smoothing).posterior for name, one in questions.items()}
    single = capability.kind is Kind.SINGLE
    posterior = fitted[""] if single else np.column_stack([fitted[name][:, 1] for name in capability.classes])
    decided = np.where(plain.voters[:, None] > 0, posterior, plain.probabilities)
    return Opinion(decided, np.arange(len(decided), dtype=np.int32), plain.voters)


def _comparable(question: Votes) -> bool:
    """Say whether on some clip a vote can be held against another one or against gold."""
    votes = np.bincount(question.clip, minlength=question.clips)
    return bool((votes + (question.gold >= 0) * (votes > 0)).max(initial=0) > 1)


_METHODS: Final[dict[Method, Callable[[pd.DataFrame, "pd.Index[str]", Capability, PeopleOptions], Opinion]]] = {
    Method.MAJORITY: _majority,
    Method.DAWID_SKENE: _dawid_skene,
}
