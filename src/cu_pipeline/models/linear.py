import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.options import Options
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.features.extractor import Extractor
from cu_pipeline.models.family import Examples, Fitted, Logits, Targets, Weights, reads_vectors
from cu_pipeline.models.probabilities import logits_loss

_NEVER: Final = -10.0
"""Logit of a class that no training clip has, below the least one of the others."""


class LinearOptions(Options):
    """Parameters of the logistic regression.

    Attributes:
        strengths: inverse strengths of the L2 penalty that are tried; the one with the best validation loss is kept,
            and the first without validation clips.
        max_iterations: of the solver.
    """

    strengths: tuple[float, ...] = Field((1.0, 0.1, 10.0, 100.0), min_length=1)
    max_iterations: int = Field(500, ge=10)


class LinearModel:
    """A fitted logistic regression on standardised vectors, each modality's mean over its steps."""

    def __init__(self, inputs: Sequence[str], weights: Weights) -> None:
        self._inputs = inputs
        self._weights = weights

    def logits(self, features: ClipFeatures) -> Logits:
        """Score clips: float32 (n, classes)."""
        columns = _columns(features, self._inputs, self._weights)
        logits: Logits = (columns @ self._weights["coefficients"] + self._weights["intercept"]).astype(np.float32)
        return logits


class Linear:
    """L2-regularised logistic regression on all vector features: multinomial, or one a class of several labels.

    Doubtful labels count with their probability: each clip stands once for every class that it may be of.
    """

    options: ClassVar[type[Options]] = LinearOptions
    revision: ClassVar[int | str] = "linear/1"

    def reads(self, extractors: Mapping[str, Extractor]) -> list[str]:
        """All vectors."""
        return reads_vectors(extractors)

    def fit(self, train: Examples, validation: Examples, kind: Kind, options: LinearOptions, seed: int) -> Fitted:
        """Fit at each strength and keep the one with the best validation loss."""
        inputs = list(train.features.features)
        scaling: dict[str, NDArray[Any]] = {}
        for name in inputs:
            scaling |= _scaling(name, train.features[name])
        seen = _columns(train.features, inputs, scaling)
        history: list[dict[str, float]] = []
        best: tuple[float, Weights] | None = None
        for number, strength in enumerate(options.strengths if len(validation) else options.strengths[:1], 1):
            weights = scaling | _solve(seen, train.targets, kind, strength, options.max_iterations, seed)
            model = LinearModel(inputs, weights)
            row = {"epoch": number, "strength": strength, "loss": _loss(model, train, kind)}
            if len(validation):
                row["val_loss"] = _loss(model, validation, kind)
            history.append(row)
            if best is None or row.get("val_loss", 0.0) < best[0]:
                best = row.get("val_loss", 0.0), weights
        if best is None:
            raise ValueError("no strength was tried")
        return Fitted({"inputs": inputs}, best[1], history)

    def load(self, config: dict[str, Any], weights: Weights) -> LinearModel:
        """Take the coefficients."""
        inputs = list(config["inputs"])
        wanted = {"coefficients", "intercept"} | {f"{part}_{name}" for part in ("mean", "scale") for name in inputs}
        if set(weights) != wanted:
            raise BundleError(f"weights {sorted(weights)} are not those of a linear model of {', '.join(inputs)}")
        return LinearModel(inputs, weights)


def _scaling(name: str, feature: Feature) -> dict[str, NDArray[np.float32]]:
    """Mean and scale of a modality's vectors, such that each modality as a whole weighs alike."""
    vectors = feature.vector()
    known = vectors[feature.present]
    if not len(known):
        known = np.zeros((1, vectors.shape[1]), dtype=np.float32)
    spread = np.maximum(known.std(0), 1e-3) * np.sqrt(vectors.shape[1])
    return {f"mean_{name}": known.mean(0).astype(np.float32), f"scale_{name}": spread.astype(np.float32)}


def _columns(features: ClipFeatures, inputs: Sequence[str], scaling: Weights) -> NDArray[np.float32]:
    """The regression's input: standardised vectors, zeros where absent, and what is present: (n, columns)."""
    parts: list[NDArray[np.float32]] = []
    for name in inputs:
        present = features[name].present[:, None].astype(np.float32)
        standard = (features[name].vector() - scaling[f"mean_{name}"]) / scaling[f"scale_{name}"]
        parts += [np.asarray(standard * present, dtype=np.float32), present]
    return np.concatenate(parts, axis=1)


def _solve(
    seen: NDArray[np.float32], targets: Targets, kind: Kind, strength: float, iterations: int, seed: int
) -> dict[str, NDArray[np.float32]]:
    """Coefficients (columns, classes) and intercepts (classes)."""
    if kind is Kind.SINGLE:
        coefficients, intercept = _regress(seen, targets, strength, iterations, seed)
    else:
        solved = [
            _regress(seen, np.stack([1 - column, column], axis=1), strength, iterations, seed) for column in targets.T
        ]
        coefficients = np.stack([pair[:, 1] - pair[:, 0] for pair, _ in solved], axis=1)
        intercept = np.array([pair[1] - pair[0] for _, pair in solved])
    return {"coefficients": coefficients.astype(np.float32), "intercept": intercept.astype(np.float32)}


def _regress(
    seen: NDArray[np.float32], targets: Targets, strength: float, iterations: int, seed: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Fit class probabilities (n, classes); classes without any weight are never answered."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    rows, classes = np.nonzero(targets)
    coefficients = np.zeros((seen.shape[1], targets.shape[1]))
    intercept = np.full(targets.shape[1], _NEVER)
    found = np.unique(classes)
    if len(found) == 1:
        intercept[found] = 0.0
        return coefficients, intercept
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the validation loss decides what is good enough
        model = LogisticRegression(C=strength, max_iter=iterations, random_state=seed)
        model.fit(seen[rows], classes, sample_weight=targets[rows, classes])
    if len(found) == 2:
        coefficients[:, found] = np.stack([-model.coef_[0], model.coef_[0]], axis=1) / 2
        intercept[found] = np.array([-1, 1]) * model.intercept_[0] / 2
    else:
        coefficients[:, found], intercept[found] = model.coef_.T, model.intercept_
    intercept[~np.isin(np.arange(len(intercept)), found)] += intercept[found].min()
    return coefficients, intercept


def _loss(model: LinearModel, examples: Examples, kind: Kind) -> float:
    return logits_loss(model.logits(examples.features), examples.targets, kind)
