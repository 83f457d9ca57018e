"""Experts' opinions as one: weights for how much each is worth, learned from clips that the experts have not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.models.folds import Fold
from cu_pipeline.models.logistic import HardLabels, levels

_PRIOR: Final = 2.0
"""Clips that the prior is worth, by which the experts weigh alike and classes are as common as they were."""

_FURTHEST: Final = 8.0
"""An expert's score, at most, so that no expert overrules all others of a class that it has not seen."""


@dataclass(frozen=True)
class ExpertPool:
    """How experts' scores add up: a logarithmic opinion pool.

    Source: Genest & Zidek, "Combining Probability Distributions" (Statistical Science, 1986); the weights are fitted on
    out-of-fold scores as in Wolpert, "Stacked Generalization" (1992), and are not negative (Breiman, 1996).

    Attributes:
        weights: float64 (experts), none below 0.
        bias: float64 (classes).
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def logits(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add scores (experts, n, classes) up: (n, classes)."""
        found: NDArray[np.float64] = np.tensordot(self.weights, scores, axes=1) + self.bias
        return found


def even_pool(experts: int, level: NDArray[np.float64]) -> ExpertPool:
    """Let all experts weigh alike, and add how common answers are (classes), where nothing tells more."""
    return ExpertPool(np.full(experts, 1 / max(experts, 1)), level)


def standard_scores(logits: NDArray[np.float64], present: NDArray[np.bool_], kind: Kind) -> NDArray[np.float64]:
    """Make an expert's logits (n, classes) comparable; it says nothing of clips where its feature is absent.

    Of one class among several the scores are less their mean, which changes no probability.
    """
    scores = logits
    if kind is Kind.SINGLE and logits.shape[1]:
        scores = logits - logits.mean(axis=1, keepdims=True)
    return np.asarray(np.clip(scores, -_FURTHEST, _FURTHEST) * present[:, None])


def fit_pool(scores: NDArray[np.float64], answers: HardLabels, kind: Kind) -> ExpertPool:
    """Find weights and biases that make the right answers likeliest.

    Args:
        scores: (experts, n, classes) of clips that the experts have not seen.
        answers: of these.
        kind: of the capability.
    """
    from scipy.optimize import minimize

    experts, _, classes = scores.shape
    weight = answers.weight / max(answers.weight.sum(), 1e-12)
    penalty = _PRIOR / max(len(answers.weight), 1)
    start = even_pool(experts, levels(answers, kind))
    even = np.r_[start.weights, start.bias]

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = np.tensordot(point[:experts], scores, axes=1) + point[experts:]
        value, slope = _likelihood(logits, answers.truth, weight, kind)
        gradient = np.r_[np.tensordot(scores, slope, axes=2), slope.sum(axis=0)]
        away = point - even
        return value + penalty / 2 * float(away @ away), gradient + penalty * away

    bounds = [(0, None)] * experts + [(None, None)] * classes
    found = minimize(loss, even, jac=True, method="L-BFGS-B", bounds=bounds).x
    return ExpertPool(found[:experts], found[experts:])


def cross_fitted_logits(
    scores: NDArray[np.float64], answers: HardLabels, kind: Kind, folds: Sequence[Fold]
) -> NDArray[np.float64]:
    """Logits (n, classes) of each clip by a pool that was fitted without its fold.

    Args:
        scores: (experts, n, classes) of clips that the experts have not seen.
        answers: of these.
        kind: of the capability.
        folds: that divide them.
    """
    logits = np.zeros(scores.shape[1:])
    for fold in folds:
        pool = fit_pool(scores[:, fold.seen], answers.take(fold.seen), kind)
        logits[fold.unseen] = pool.logits(scores[:, fold.unseen])
    return logits


def mean_loss(logits: NDArray[np.float64], answers: HardLabels, kind: Kind) -> float:
    """The weighted mean negative log-likelihood of the answers."""
    weight = answers.weight / max(answers.weight.sum(), 1e-12)
    return _likelihood(logits, answers.truth, weight, kind)[0]


def _likelihood(
    logits: NDArray[np.float64], truth: NDArray[np.bool_], weight: NDArray[np.float64], kind: Kind
) -> tuple[float, NDArray[np.float64]]:
    """The weighted negative log-likelihood, and its slope by the logits."""
    from scipy.special import expit, log_expit, log_softmax

    if kind is Kind.SINGLE:
        logs = log_softmax(logits, axis=1)
        value, error = -(logs * truth).sum(axis=1), np.exp(logs) - truth
    else:
        value = -(log_expit(np.where(truth, logits, -logits))).sum(axis=1)
        error = expit(logits) - truth
    return float(weight @ value), error * weight[:, None]
