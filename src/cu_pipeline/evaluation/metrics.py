"""Metrics of predicted probabilities against the truth, for single- and multi-label capabilities alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.decision import certainty, decide
from cu_pipeline.evaluation.grouping import Grouping
from cu_pipeline.evaluation.ranking import aurocs, average_precisions, rankings

_BINS: Final = 10
_LEAST: Final = 1e-6

Totals = NDArray[np.float64]
"""(..., *shape): sums over clips that a metric follows from."""


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

    def joined(self, other: "ScoredClips") -> "ScoredClips":
        """These clips and then the others."""
        parts = [(one.truth, one.probabilities, one.decided) for one in (self, other)]
        truth, probabilities, decided = (np.concatenate(both) for both in zip(*parts, strict=True))
        return ScoredClips(self.kind, truth, probabilities, decided)

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

    def certainty(self) -> NDArray[np.float64]:
        """How likely each decision is right, by the model's word: (n)."""
        return certainty(self.probabilities, self.decided, self.kind)

    def correct(self) -> NDArray[np.bool_]:
        """Tell for each clip whether all of its classes, and no other, were named: bool (n)."""
        right: NDArray[np.bool_] = (self.truth == self.decided).all(1)
        return right


class Scale(StrEnum):
    """What values a metric may have, and how far they spread.

    SHARE: of clips that are right, from 0 to 1. ORDER: from 0 to 1, and close to 1 where little is known yet.
    ERROR: from 0, the less the better.
    """

    SHARE = "share"
    ORDER = "order"
    ERROR = "error"


@dataclass(frozen=True)
class Metric:
    """A number about clips that follows from sums over them, so that resampling clips is a weighting of sums.

    Attributes:
        words: its name in sentences and tables.
        totals: clips, their groups, and how many levels scores are told apart in (None: all) -> (groups, *shape).
        value: totals (..., *shape) -> (...); NaN where they leave it undefined.
        scale: on which intervals are made.
        most: the largest value, of one class where it is `summed`.
        summed: whether it is a sum over the classes of a multi-label clip.
    """

    words: str
    totals: Callable[[ScoredClips, Grouping, int | None], Totals]
    value: Callable[[Totals], NDArray[np.float64]]
    scale: Scale = Scale.SHARE
    most: float = 1.0
    summed: bool = False

    def largest(self, answers: ScoredClips) -> float:
        """The largest value that clips of such a capability can have."""
        many = self.summed and answers.kind is Kind.MULTI
        return self.most * answers.truth.shape[1] if many else self.most

    def of(self, answers: ScoredClips) -> float | None:
        """Measure clips, at least one; None where it is undefined."""
        found = float(self.value(self.totals(answers, Grouping.whole(len(answers)), None))[0])
        return None if np.isnan(found) else found


def log_losses(answers: ScoredClips) -> NDArray[np.float64]:
    """Negative log-likelihood of each clip, summed over the classes of a multi-label one: (n)."""
    said = np.clip(answers.probabilities, _LEAST, 1 - _LEAST)
    if answers.kind is Kind.SINGLE:
        return np.asarray(-np.log((said * answers.truth).sum(axis=1)))
    return np.asarray(-np.log(np.where(answers.truth, said, 1 - said)).sum(axis=1))


def _brier_scores(answers: ScoredClips) -> NDArray[np.float64]:
    """Squared distance of probabilities from the truth, summed over classes (Brier, 1950): (n)."""
    return np.asarray(((answers.probabilities - answers.truth) ** 2).sum(axis=1))


_Each = Callable[[ScoredClips], NDArray[Any]]


def _sum_of(values: _Each) -> Callable[[ScoredClips, Grouping, int | None], Totals]:
    """Totals of what each clip adds, (n, *shape)."""
    return lambda answers, groups, _: groups.sums(values(answers))


def _mean_of(values: _Each) -> Callable[[ScoredClips, Grouping, int | None], Totals]:
    """Totals behind the mean of a value of each clip, (n)."""
    return _sum_of(lambda answers: np.stack([values(answers), np.ones(len(answers))], axis=1))


def _ratio(totals: Totals) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(totals[..., 0] / totals[..., 1])


def _hits(answers: ScoredClips) -> NDArray[Any]:
    return np.stack([answers.truth & answers.decided, answers.truth.astype(int) + answers.decided], axis=1)


def _macro_f1(totals: Totals) -> NDArray[np.float64]:
    """The mean over classes of F1; classes that neither occur nor are predicted do not count."""
    hits, total = totals[..., 0, :], totals[..., 1, :]
    present = total > 0
    f1 = np.where(present, 2 * hits / np.where(present, total, 1), 0).sum(axis=-1)
    return np.asarray(f1 / np.maximum(present.sum(axis=-1), 1))


def _gaps(answers: ScoredClips) -> NDArray[Any]:
    """How far each clip moves the gap of each bin, and how many decisions it stands for."""
    confidence, right = _confidences(answers)
    each = len(confidence) // max(len(answers), 1)
    place = np.arange(len(confidence)) // max(each, 1) * _BINS + _bins(confidence)
    gaps = np.bincount(place, confidence - right, len(answers) * _BINS).reshape(-1, _BINS)
    return np.column_stack([gaps, np.full(len(answers), float(each))])


def _calibration_error(totals: Totals) -> NDArray[np.float64]:
    return np.asarray(np.abs(totals[..., :-1]).sum(axis=-1) / totals[..., -1])


def _right_if_answered(answers: ScoredClips) -> NDArray[Any]:
    return np.stack([answers.correct() & answers.answered, answers.answered], axis=1)


def _accuracy_answered(totals: Totals) -> NDArray[np.float64]:
    return np.asarray(totals[..., 0] / np.maximum(totals[..., 1], 1))


def _rankings(answers: ScoredClips, groups: Grouping, levels: int | None) -> Totals:
    return rankings(answers.truth, answers.probabilities, groups, levels)


def _macro(by_class: Callable[[Totals], NDArray[np.float64]]) -> Callable[[Totals], NDArray[np.float64]]:
    """The mean over the classes for which a number is defined."""

    def value(totals: Totals) -> NDArray[np.float64]:
        values = by_class(totals)
        known = np.isfinite(values)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(known, values, 0).sum(axis=-1) / known.sum(axis=-1))

    return value


METRICS: Final[dict[str, Metric]] = {
    "accuracy": Metric("accuracy", _mean_of(ScoredClips.correct), _ratio),
    "macro_f1": Metric("macro-F1", _sum_of(_hits), _macro_f1),
    "average_precision": Metric("average precision", _rankings, _macro(average_precisions), Scale.ORDER),
    "auroc": Metric("AUROC", _rankings, _macro(aurocs), Scale.ORDER),
    "brier": Metric("Brier score", _mean_of(_brier_scores), _ratio, Scale.ERROR, 2.0, summed=True),
    "log_loss": Metric("log-loss", _mean_of(log_losses), _ratio, Scale.ERROR, -float(np.log(_LEAST)), summed=True),
    "ece": Metric("calibration error", _sum_of(_gaps), _calibration_error, scale=Scale.ERROR),
}
"""Every metric by name, in the order of tables. A new one is a line here, with the functions that it needs.

`accuracy` is the share of clips decided right; all classes of a multi-label clip must be. `ece` is the mean gap between
confidence and accuracy over ten equal bins of confidence (Naeini et al., "Obtaining well calibrated probabilities using
Bayesian binning", AAAI 2015); each class of a multi-label clip is one decision. `brier` and `log_loss` are means over
clips, of sums over classes. `average_precision` and `auroc` are means over the classes for which they are defined.
"""

ANSWERS: Final[dict[str, Metric]] = {
    "coverage": Metric("share answered", _mean_of(lambda answers: answers.answered), _ratio),
    "accuracy_answered": Metric("accuracy where it answers", _sum_of(_right_if_answered), _accuracy_answered),
}
"""Metrics of a model that need not answer: the share of clips with an answer, and how many of these are right."""


def answers_in_words(found: Mapping[str, float]) -> str:
    """Say what a model answers, and how well.

    >>> answers_in_words({"coverage": 0.88, "accuracy_answered": 0.93})
    '0.930 on the 88% that it answers'
    """
    if not found["coverage"]:
        return "it answers none"
    return f"{found['accuracy_answered']:.3f} on the {found['coverage']:.0%} that it answers"


def measure(answers: ScoredClips, metrics: Mapping[str, Metric] = METRICS) -> dict[str, float | None]:
    """Every metric of a table; None where it is undefined."""
    return {name: metric.of(answers) for name, metric in metrics.items()}


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


def per_class(answers: ScoredClips, classes: list[str]) -> dict[str, dict[str, float | None]]:
    """Precision, recall, F1 and support of each class, 0 where undefined; average precision and AUROC, None there."""
    table: dict[str, dict[str, float | None]] = {}
    totals = _rankings(answers, Grouping.whole(len(answers)), None)[0]
    precisions, areas = average_precisions(totals), aurocs(totals)
    for place, (name, truth, decided) in enumerate(zip(classes, answers.truth.T, answers.decided.T, strict=True)):
        hits = float((truth & decided).sum())
        table[name] = {
            "precision": hits / max(float(decided.sum()), 1.0),
            "recall": hits / max(float(truth.sum()), 1.0),
            "f1": 2 * hits / max(float(truth.sum() + decided.sum()), 1.0),
            "support": int(truth.sum()),
            "average_precision": None if np.isnan(precisions[place]) else float(precisions[place]),
            "auroc": None if np.isnan(areas[place]) else float(areas[place]),
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
