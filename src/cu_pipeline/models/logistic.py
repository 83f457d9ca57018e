"""L2-regularised logistic regression, exact and fast where there are few clips."""

import warnings
from dataclasses import dataclass
from math import ceil
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind

MANY: Final = 10_000
"""Clips above which numbers are held in single precision, 3 to 6 times as fast, and sparse matrices are passed over a
few times: 8 passes over 85,000 captions take 20 s, where Newton's method had not ended after 400 s."""

_VISITS: Final = 400_000
"""Clips, counted at each pass, to learn from; with 8 passes at least, and 16 at most. Twice as many passes tell other
clips no better: accuracy 0.773 and 0.771 after 8 and 16 over 85,000 captions, 0.646 after 16 over 11,000, where
Newton's method, converged, has 0.645."""

_HEAVIEST: Final = 10.0
"""A clip's weight in these passes, the mean being 1: very rare classes are made equally common in part only."""

_STABLE: Final = 3.0
"""A weight that a step of these passes bears. Scikit-learn sets their length as if no clip weighed more than others."""

_FEW: Final = 2500
"""Rows up to which the columns are turned onto the rows' own space, where there are more columns than rows."""

_TOLERANCE: Final = 1e-3
"""Of the gradient's largest part; Newton's last step leaves it far below."""

_LEAST: Final = -10.0
"""Logit of a class without a clip, below the least one of the others."""


@dataclass(frozen=True)
class HardLabels:
    """Answers that are certain, with the weight of each clip.

    Attributes:
        truth: bool (n, classes).
        weight: float64 (n).
    """

    truth: NDArray[np.bool_]
    weight: NDArray[np.float64]

    def take(self, rows: NDArray[np.int64]) -> "HardLabels":
        """The clips at the positions `rows`."""
        return HardLabels(self.truth[rows], self.weight[rows])


def hard_labels(targets: NDArray[np.float32], kind: Kind) -> HardLabels:
    """Take the likeliest answer for right, and weigh the clip by how likely it is.

    A model of shares of votes is not sure enough of answers that most people give, which are what it is measured by.

    Args:
        targets: class probabilities (n, classes).
        kind: one class, or any number of them.
    """
    if kind is Kind.SINGLE:
        truth = np.zeros(targets.shape, dtype=np.bool_)
        truth[np.arange(len(targets)), targets.argmax(1)] = True
        return HardLabels(truth, targets.max(1, initial=0).astype(np.float64))
    certain = np.maximum(targets, 1 - targets)
    return HardLabels(targets >= 0.5, certain.mean(1).astype(np.float64))


def levels(answers: HardLabels, kind: Kind) -> NDArray[np.float64]:
    """How common each answer is, as logits: (classes). Half a clip more of each keeps them finite."""
    often = answers.weight @ answers.truth
    if kind is Kind.SINGLE:
        logs: NDArray[np.float64] = np.log(often + 0.5)
        return logs - logs.mean() if len(logs) else logs
    return np.asarray(np.log((often + 0.5) / (answers.weight.sum() - often + 0.5)))


@dataclass(frozen=True)
class Coefficients:
    """Of one regression.

    Attributes:
        slopes: (columns, classes).
        intercepts: (classes).
    """

    slopes: NDArray[np.float64]
    intercepts: NDArray[np.float64]

    def without(self, level: NDArray[np.float64]) -> "Coefficients":
        """Leave out how common answers are (classes), so that scores say what the clip alone tells."""
        return Coefficients(self.slopes, self.intercepts - level)

    def scores(self, matrix: Any) -> NDArray[np.float64]:
        """Logits of clips: (n, classes)."""
        found: NDArray[np.float64] = np.asarray(matrix @ self.slopes) + self.intercepts
        return found


@dataclass(frozen=True)
class Design:
    """The columns that regressions work on: a matrix, or its rows' own space.

    Where there are more columns than clips, the penalised optimum lies in the space of the clips' rows. There it is
    found by a rotation of the columns, which leaves penalty and optimum as they are and takes a tenth of the time.

    Attributes:
        rows: (n, columns), sparse or not.
        back: (columns of the matrix, columns): turns slopes back; None: they are not turned.
    """

    rows: Any
    back: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, matrix: Any) -> Self:
        """Turn a matrix (n, columns) where that makes it smaller."""
        if not 0 < matrix.shape[0] <= min(_FEW, matrix.shape[1]):
            return cls(matrix)
        matrix = matrix.astype(np.float64, copy=False)
        products = matrix @ matrix.T
        values, vectors = np.linalg.eigh(products.toarray() if hasattr(products, "toarray") else products)
        kept = values > max(values.max(), 1e-12) * 1e-10
        lengths = np.sqrt(values[kept])
        back = np.asarray(matrix.T @ (vectors[:, kept] / lengths))
        return cls(vectors[:, kept] * lengths, back)

    def turned_back(self, found: Coefficients) -> Coefficients:
        """Write coefficients for the matrix as it was."""
        return found if self.back is None else Coefficients(self.back @ found.slopes, found.intercepts)


@dataclass(frozen=True)
class Regressions:
    """Regressions on the same clips at several strengths.

    Attributes:
        rows: (n, columns), of a design.
        answers: of the n clips.
        kind: one multinomial regression, or one a class.
        iterations: of the solver, at most.
    """

    rows: Any
    answers: HardLabels
    kind: Kind
    iterations: int

    def fit(self, strength: float, *, balanced: bool = False) -> Coefficients:
        """Fit at an inverse strength of the penalty, scikit-learn's `C`.

        Many clips with a sparse matrix are learned by stochastic gradients, in a fixed order.

        Source: Defazio et al., "SAGA: A Fast Incremental Gradient Method" (NeurIPS 2014).

        Args:
            strength: the larger, the weaker the penalty.
            balanced: whether classes weigh alike, however common they are.
        """
        truth = self.answers.truth
        if self.kind is Kind.SINGLE:
            return Coefficients(*self._solved(truth.argmax(1), truth.shape[1], strength, balanced))
        pairs = [self._solved(column.astype(int), 2, strength, balanced) for column in truth.T]
        slopes = np.stack([slope[:, 1] - slope[:, 0] for slope, _ in pairs], axis=1)
        return Coefficients(slopes, np.array([level[1] - level[0] for _, level in pairs]))

    def _solved(
        self, answers: NDArray[np.int64], classes: int, strength: float, balanced: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Slopes (columns, classes) and intercepts (classes); classes without a clip are never answered."""
        from sklearn.exceptions import ConvergenceWarning

        found = np.unique(answers)
        slopes, intercepts = np.zeros((self.rows.shape[1], classes)), np.full(classes, _LEAST)
        if len(found) < 2 or not self.rows.shape[1]:
            intercepts[found] = 0.0
            return slopes, intercepts
        solver = self._solver(strength, self._even(answers) if balanced else None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # clips that were held out say what is good enough
            solver.fit(self.rows, answers, sample_weight=self.answers.weight)
        if len(found) == 2:
            slopes[:, found] = np.stack([-solver.coef_[0], solver.coef_[0]], axis=1) / 2
            intercepts[found] = np.array([-1, 1]) * solver.intercept_[0] / 2
        else:
            slopes[:, found], intercepts[found] = solver.coef_.T, solver.intercept_
        absent = ~np.isin(np.arange(classes), found)
        intercepts[absent] += intercepts[found].min()
        return slopes, intercepts

    @property
    def _by_passes(self) -> bool:
        return self.rows.shape[0] > MANY and hasattr(self.rows, "toarray")

    def _solver(self, strength: float, class_weight: "str | dict[int, float] | None") -> Any:
        from sklearn.linear_model import LogisticRegression

        if isinstance(class_weight, dict):
            # the same optimum: weights as much smaller as the penalty is weaker
            scale = max(max(class_weight.values()) / _STABLE, 1.0)
            strength, class_weight = strength * scale, {one: value / scale for one, value in class_weight.items()}
        how: dict[str, Any] = {"C": strength, "tol": _TOLERANCE, "class_weight": class_weight}
        if self._by_passes:
            passes = min(self.iterations, 16, max(8, ceil(_VISITS / self.rows.shape[0])))
            return LogisticRegression(solver="saga", max_iter=passes, random_state=0, **how)
        return LogisticRegression(solver="newton-cg", max_iter=self.iterations, **how)

    def _even(self, answers: NDArray[np.int64]) -> "str | dict[int, float]":
        """Weights of the classes that make them equally common, in passes as far as that goes."""
        if not self._by_passes:
            return "balanced"
        found = np.unique(answers)
        often = np.bincount(answers, weights=self.answers.weight)[found]
        return dict(zip(found.tolist(), np.minimum(often.sum() / (len(found) * often), _HEAVIEST), strict=True))
