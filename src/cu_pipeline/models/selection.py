"""Which family learns a capability best, by cross-validation over units."""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import DivergedError
from cu_pipeline.core.options import Options
from cu_pipeline.models.cross_fitting import cross_fitted
from cu_pipeline.models.family import Candidate, Examples, Fitted
from cu_pipeline.models.folds import Fold, grouped_folds
from cu_pipeline.models.logistic import HardLabels, hard_labels
from cu_pipeline.models.probabilities import clip_losses, temperature

_ALWAYS: Final = 2
"""Candidates that are tried whatever time they take: the simplest, and one to hold against it."""

_log = logging.getLogger(__name__)


class SelectionOptions(Options):
    """Parameters of the choice between families.

    Attributes:
        candidates: families, the simplest first.
        folds: of the cross-validation.
        minutes: after which no further candidate, or fold of one, is begun, for each capability.
    """

    candidates: tuple[str, ...] = Field(("majority", "linear"), min_length=1)
    folds: int = Field(5, ge=2, le=20)
    minutes: float = Field(20.0, gt=0)


@dataclass(frozen=True)
class CandidateScore:
    """What cross-validation says of a candidate.

    Attributes:
        family: its name.
        loss: mean negative log-likelihood of clips of unseen units, after calibration; None: it was not compared.
        worse_by: how much greater that is than the best candidate's, on the same clips.
        standard_error: of `worse_by`, with the clips of a unit counted as one.
        seconds: that fitting and predicting took.
        chosen: whether it is the one.
        note: why it was not compared.
    """

    family: str
    loss: float | None = None
    worse_by: float | None = None
    standard_error: float | None = None
    seconds: float = 0.0
    chosen: bool = False
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """A row of the `model_selection` dataset."""
        return asdict(self)


@dataclass(frozen=True)
class Selection:
    """The family that was chosen, fitted.

    Attributes:
        candidate: the one.
        fitted: on all clips, with predictions of each by models that have not seen its unit, where there were several.
        scores: of all candidates, in their order.
    """

    candidate: Candidate
    fitted: Fitted
    scores: tuple[CandidateScore, ...]


class _OutOfTimeError(Exception):
    """The time that a choice may take is over."""


@dataclass(frozen=True)
class _Result:
    candidate: Candidate
    fitted: Fitted
    losses: NDArray[np.float64]
    seconds: float


@dataclass(frozen=True)
class Selector:
    """All that candidates are compared on.

    Attributes:
        training: clips to learn from, with all features that any candidate reads.
        validation: clips that choose between epochs where a family has any.
        kind: of the capability.
        seed: of every random choice.
    """

    training: Examples
    validation: Examples
    kind: Kind
    seed: int

    def select(self, candidates: Sequence[Candidate], options: SelectionOptions) -> Selection:
        """Choose the simplest candidate whose loss is within one standard error of the best one's.

        Source: Breiman et al., "Classification and Regression Trees" (1984): the one-standard-error rule; here the
        error is that of the paired difference, over units.

        Args:
            candidates: the simplest first.
            options: how they are compared.

        Raises:
            DivergedError: no candidate came to a model.
        """
        everything = self.training.joined(self.validation)
        answers = hard_labels(everything.targets, self.kind)
        folds = grouped_folds(everything.units, answers.truth, options.folds, self.seed)
        if not folds:
            return self._uncompared(candidates, answers)
        ends = time.monotonic() + options.minutes * 60
        results: dict[str, _Result] = {}
        left_out: dict[str, str] = {}
        for place, one in enumerate(candidates):
            try:
                results[one.name] = self._tried(one, folds, ends if place >= _ALWAYS else float("inf"))
            except _OutOfTimeError:
                left_out[one.name] = f"{options.minutes:g} minutes were over"
            except DivergedError as error:
                left_out[one.name] = str(error)
        for name, why in left_out.items():
            _log.warning("family %s is left out: %s", name, why)
        if not results:
            raise DivergedError(left_out.values())
        # a family that chooses its settings on a sample has predicted that sample alone
        weight = answers.weight * np.isfinite([one.losses for one in results.values()]).all(axis=0)
        best = min(results.values(), key=lambda one: _mean(one.losses, weight))
        behind = {name: _behind(one, best, weight, everything.units) for name, one in results.items()}
        chosen = next(results[name] for name, (worse_by, error) in behind.items() if worse_by <= error)
        scores = [
            _score(results[one.name], weight, behind[one.name], chosen)
            if one.name in results
            else CandidateScore(one.name, note=f"left out: {left_out[one.name]}")
            for one in candidates
        ]
        return Selection(chosen.candidate, chosen.fitted, tuple(scores))

    def _uncompared(self, candidates: Sequence[Candidate], answers: HardLabels) -> Selection:
        """Without folds: the simplest where all clips have one answer, else the simplest that learns."""
        alike = len(np.unique(answers.truth, axis=0)) < 2
        chosen = candidates[0 if alike else min(1, len(candidates) - 1)]
        why = "all clips have one answer" if alike else "all clips belong to one unit, so none can be held out"
        fitted = self._fit(chosen, self.training, self.validation)
        scores = [CandidateScore(one.name, chosen=one is chosen, note=f"not compared: {why}") for one in candidates]
        return Selection(chosen, fitted, tuple(scores))

    def _tried(self, candidate: Candidate, folds: Sequence[Fold], ends: float) -> _Result:
        started = time.monotonic()
        _check(ends)
        fitted = self._fit(candidate, self.training, self.validation)
        logits = fitted.cross_fitted
        if logits is None:
            everything = candidate.shown(self.training.joined(self.validation))
            logits = cross_fitted(
                candidate.learner, everything, folds, self.kind, candidate.options, self.seed, partial(_check, ends)
            )
        targets = np.r_[self.training.targets, self.validation.targets]
        truth = hard_labels(targets, self.kind).truth.astype(np.float32)
        asked = np.isfinite(logits).all(axis=1)
        scale = temperature(logits[asked], truth[asked], self.kind)
        losses = np.full(len(logits), np.nan)
        losses[asked] = clip_losses(logits[asked], truth[asked], self.kind, scale)
        return _Result(candidate, replace(fitted, cross_fitted=logits), losses, time.monotonic() - started)

    def _fit(self, candidate: Candidate, training: Examples, validation: Examples) -> Fitted:
        parts = (candidate.shown(training), candidate.shown(validation))
        return candidate.learner.fit(*parts, self.kind, candidate.options, self.seed)


def _check(ends: float) -> None:
    if time.monotonic() > ends:
        raise _OutOfTimeError


def _mean(losses: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """The weighted mean; what has no weight may be NaN."""
    counted = weight > 0
    return float(np.average(losses[counted], weights=weight[counted]))


def _behind(one: _Result, best: _Result, weight: NDArray[np.float64], units: NDArray[np.int64]) -> tuple[float, float]:
    """How much greater a loss is than the best one, and the standard error of that."""
    difference = one.losses - best.losses
    worse_by = _mean(difference, weight)
    counted = weight > 0
    _, places = np.unique(units[counted], return_inverse=True)
    sums = np.bincount(places, weights=weight[counted] * (difference[counted] - worse_by))
    variance = np.square(sums).sum() * len(sums) / max(len(sums) - 1, 1)
    return worse_by, float(np.sqrt(variance) / weight.sum())


def _score(one: _Result, weight: NDArray[np.float64], behind: tuple[float, float], chosen: _Result) -> CandidateScore:
    return CandidateScore(
        one.candidate.name, _mean(one.losses, weight), *behind, seconds=one.seconds, chosen=one is chosen
    )
