"""Metrics of predicted probabilities against the truth, for single- and multi-label capabilities alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.decision import decide

_BINS = 10


@dataclass(frozen=True)
class ScoredClips:
    """Predictions beside the truth for n clips.

    Attributes:
        kind: of the capability.
        truth: bool (n, classes).
        probabilities: float64 (n, classes).
        decided: bool (n, classes): the classes that the decision names.
    """

    kind: Kind
    truth: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    decided: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.truth)

    @classmethod
    def decide(cls, kind: Kind, truth: NDArray[np.bool_], probabilities: NDArray[np.float64]) -> "ScoredClips":
        """Name the classes by the rule that all labels follow."""
        classes = tuple(map(str, range(probabilities.shape[1])))
        return cls(kind, truth, probabilities, decide(probabilities, Capability(kind=kind, classes=classes)).holds)

    def take(self, rows: NDArray[np.int64]) -> "ScoredClips":
        """The clips at the positions `rows`."""
        return ScoredClips(self.kind, self.truth[rows], self.probabilities[rows], self.decided[rows])

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Tell for which clips there is an answer: bool (n). Of several classes none is one, too."""
        if self.kind is Kind.MULTI:
            return np.ones(len(self), dtype=np.bool_)
        return np.asarray(self.decided.any(axis=1))

    def always_answered(self) -> "ScoredClips":
        """The same clips with the likeliest class for an answer where there is none."""
        if self.answered.all():
            return self
        likeliest = np.arange(self.truth.shape[1]) == self.probabilities.argmax(axis=1)[:, None]
        decided = np.where(self.answered[:, None], self.decided, likeliest)
        return ScoredClips(self.kind, self.truth, self.probabilities, decided)

    def correct(self) -> NDArray[np.bool_]:
        """Tell for each clip whether all of its classes, and no other, were named: bool (n)."""
        right: NDArray[np.bool_] = (self.truth == self.decided).all(1)
        return right


def accuracy(answers: ScoredClips) -> float:
    """The share of clips decided right; all classes of a multi-label clip must be."""
    return float(answers.correct().mean())


def macro_f1(answers: ScoredClips) -> float:
    """The mean over classes of F1; classes that neither occur nor are predicted do not count."""
    hits = (answers.truth & answers.decided).sum(0)
    total = answers.truth.sum(0) + answers.decided.sum(0)
    present = total > 0
    return float((2 * hits[present] / total[present]).mean()) if present.any() else 0.0


def expected_calibration_error(answers: ScoredClips) -> float:
    """The mean gap between confidence and accuracy over ten equal bins of confidence.

    Source: Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning" (AAAI 2015). For a
    multi-label capability each class of each clip is one binary decision.
    """
    confidence, right = _confidences(answers)
    place = _bins(confidence)
    gaps = np.bincount(place, confidence - right, _BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def coverage(answers: ScoredClips) -> float:
    """The share of clips with an answer."""
    return float(answers.answered.mean())


def accuracy_answered(answers: ScoredClips) -> float:
    """The share of clips decided right among those with an answer; 0 where there is none."""
    answered = answers.answered
    return float(answers.correct()[answered].mean()) if answered.any() else 0.0


METRICS: Final[dict[str, Callable[[ScoredClips], float]]] = {
    "accuracy": accuracy,
    "macro_f1": macro_f1,
    "ece": expected_calibration_error,
}
"""Every metric by name. A new one is a function and a line here."""

ANSWERS: Final[dict[str, Callable[[ScoredClips], float]]] = {
    "coverage": coverage,
    "accuracy_answered": accuracy_answered,
}
"""Metrics of a model that need not answer."""


def answers_in_words(found: Mapping[str, float]) -> str:
    """Say what a model answers, and how well.

    >>> answers_in_words({"coverage": 0.88, "accuracy_answered": 0.93})
    '0.930 on the 88% that it answers'
    """
    if not found["coverage"]:
        return "it answers none"
    return f"{found['accuracy_answered']:.3f} on the {found['coverage']:.0%} that it answers"


def measure(answers: ScoredClips) -> dict[str, float]:
    """Every metric of the table."""
    return {name: metric(answers) for name, metric in METRICS.items()}


def reliability(answers: ScoredClips) -> list[dict[str, float]]:
    """The points of a calibration plot: mean confidence, accuracy and count of each filled bin."""
    confidence, right = _confidences(answers)
    place = _bins(confidence)
    return [
        {
            "confidence": float(confidence[place == index].mean()),
            "accuracy": float(right[place == index].mean()),
            "n": int((place == index).sum()),
        }
        for index in range(_BINS)
        if (place == index).any()
    ]


def confusion(answers: ScoredClips, classes: list[str]) -> Any:
    """Count decisions.

    Returns:
        Single-label: a matrix, rows truth, columns decision. Multi-label: class -> [[tn, fp], [fn, tp]].
    """
    if answers.kind is Kind.SINGLE:
        return (answers.truth.T.astype(int) @ answers.decided.astype(int)).tolist()
    return {
        name: [[int((t & d).sum()) for d in (~decided, decided)] for t in (~truth, truth)]
        for name, truth, decided in zip(classes, answers.truth.T, answers.decided.T, strict=True)
    }


def per_class(answers: ScoredClips, classes: list[str]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each class; 0 where undefined."""
    table = {}
    for name, truth, decided in zip(classes, answers.truth.T, answers.decided.T, strict=True):
        hits = float((truth & decided).sum())
        table[name] = {
            "precision": hits / max(float(decided.sum()), 1.0),
            "recall": hits / max(float(truth.sum()), 1.0),
            "f1": 2 * hits / max(float(truth.sum() + decided.sum()), 1.0),
            "support": int(truth.sum()),
        }
    return table


def _confidences(answers: ScoredClips) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The confidence of each decision and whether it was right."""
    if answers.kind is Kind.SINGLE:
        return answers.probabilities.max(1), answers.correct().astype(np.float64)
    named = answers.probabilities.ravel()
    return named, answers.truth.ravel().astype(np.float64)


def _bins(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)


def intervals(
    answers: ScoredClips, metrics: Mapping[str, Callable[[ScoredClips], float]], seed: int, draws: int
) -> dict[str, list[float]]:
    """95 % percentile bootstrap intervals of metrics, clips being drawn with replacement.

    Source: Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.

    Args:
        answers: of n clips.
        metrics: name -> function.
        seed: of the draws.
        draws: number of resamples.

    Returns:
        Name -> [low, high].
    """
    random = np.random.default_rng(seed)
    n = len(answers)
    samples: dict[str, list[float]] = {name: [] for name in metrics}
    for _ in range(draws):
        resampled = answers.take(random.integers(0, n, n))
        for name, metric in metrics.items():
            samples[name].append(metric(resampled))
    return {name: [float(edge) for edge in np.percentile(values, [2.5, 97.5])] for name, values in samples.items()}
