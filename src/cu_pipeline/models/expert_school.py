"""Fitting linear experts: how strongly each is penalised is decided by clips of groups that it has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.features.clip_features import BLOCK, ClipFeatures
from cu_pipeline.models.expert_pool import mean_loss, standard_scores
from cu_pipeline.models.expert_views import Reading, View, learn_reading
from cu_pipeline.models.folds import Fold
from cu_pipeline.models.logistic import Coefficients, Design, HardLabels, Regressions, levels


@dataclass(frozen=True)
class Setting:
    """How an expert is fitted.

    Attributes:
        strength: inverse strength of the penalty.
        balanced: whether classes weigh alike, however common they are.
    """

    strength: float
    balanced: bool


@dataclass(frozen=True)
class Expert:
    """A fitted expert."""

    view: View
    reading: Reading
    coefficients: Coefficients

    def scores(self, features: ClipFeatures, kind: Kind) -> NDArray[np.float64]:
        """Score clips: (n, classes); zeros where its feature is absent."""
        feature = self.view.of(features)
        blocks = [slice(start, start + BLOCK) for start in range(0, max(len(feature.present), 1), BLOCK)]
        parts = [self.coefficients.scores(self.reading.matrix(feature.take(block))) for block in blocks]
        return standard_scores(np.concatenate(parts), feature.present, kind)


@dataclass(frozen=True)
class Lesson:
    """What an expert can learn from. How a view is read follows from all clips; their answers play no part in that.

    Attributes:
        view: what it looks at.
        reading: how that becomes a matrix.
        design: of the clips that have the feature.
        present: bool (n): which ones do.
    """

    view: View
    reading: Reading
    design: Design
    present: NDArray[np.bool_]

    @classmethod
    def of(cls, view: View, features: ClipFeatures, *, many: bool) -> Self:
        """Read a view of n clips, which are many, or a sample of many, or neither."""
        feature = view.of(features)
        reading, matrix = learn_reading(view, feature, many=many)
        return cls(view, reading, Design.of(matrix), feature.present)

    def rows(self, clips: NDArray[np.int64]) -> tuple[NDArray[np.int64], Any]:
        """Those of the clips, given in order, that have the feature, and their rows."""
        has = clips[self.present[clips]]
        if len(has) == self.design.rows.shape[0]:
            return has, self.design.rows
        return has, self.design.rows[(np.cumsum(self.present) - 1)[has]]


@dataclass(frozen=True)
class Tried:
    """What cross-validation says of a view.

    Attributes:
        setting: the best one.
        loss: of it; NaN where nothing was held out.
        scores: (n, classes): out of fold.
    """

    setting: Setting
    loss: float
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class School:
    """All that experts are fitted with, but for what they look at.

    Attributes:
        answers: of n clips.
        kind: of the capability.
        iterations: of the solver, at most.
        folds: which clips are held out in turn.
    """

    answers: HardLabels
    kind: Kind
    iterations: int
    folds: Sequence[Fold]

    def choose(self, lesson: Lesson, strengths: Sequence[float]) -> Tried:
        """Find the setting with the least loss on clips of unseen groups; without folds the first strength.

        Strengths are tried from the smallest until the loss grows, and balanced classes at the best one.
        """
        if not self.folds:
            setting = Setting(strengths[0], balanced=False)
            return Tried(setting, float("nan"), np.zeros(self.answers.truth.shape))
        students = [self._student(lesson, fold.seen) for fold in self.folds]
        best = self._tried(lesson, students, Setting(min(strengths), balanced=False))
        for strength in sorted(strengths)[1:]:
            tried = self._tried(lesson, students, Setting(strength, balanced=False))
            if tried.loss > best.loss:
                break
            best = tried
        balanced = self._tried(lesson, students, Setting(best.setting.strength, balanced=True))
        return balanced if balanced.loss < best.loss else best

    def fitted(self, lesson: Lesson, setting: Setting) -> Expert:
        """Fit an expert on all clips."""
        found = self._student(lesson, np.arange(len(lesson.present))).fit(setting)
        return Expert(lesson.view, lesson.reading, lesson.design.turned_back(found))

    def asked(self, lesson: Lesson, setting: Setting, fold: Fold) -> NDArray[np.float64]:
        """Score the unseen clips by an expert of the seen ones: (unseen, classes); zeros where its feature is absent.

        Args:
            lesson: of all clips.
            setting: of the expert.
            fold: with positions in order.
        """
        has, rows = lesson.rows(fold.unseen)
        said = self._student(lesson, fold.seen).fit(setting).scores(rows)
        scores = np.zeros((len(fold.unseen), self.answers.truth.shape[1]))
        scores[np.isin(fold.unseen, has)] = standard_scores(said, np.ones(len(has), dtype=np.bool_), self.kind)
        return scores

    def _tried(self, lesson: Lesson, students: "Sequence[_Student]", setting: Setting) -> Tried:
        scores = np.zeros(self.answers.truth.shape)
        for student, fold in zip(students, self.folds, strict=True):
            asked, rows = lesson.rows(fold.unseen)
            said = student.fit(setting).scores(rows)
            scores[asked] = standard_scores(said, np.ones(len(asked), dtype=np.bool_), self.kind)
        loss = mean_loss(scores + levels(self.answers, self.kind), self.answers, self.kind)
        return Tried(setting, loss, scores)

    def _student(self, lesson: Lesson, clips: NDArray[np.int64]) -> "_Student":
        has, rows = lesson.rows(clips)
        answers = self.answers.take(has)
        return _Student(Regressions(rows, answers, self.kind, self.iterations), levels(answers, self.kind))


@dataclass(frozen=True)
class _Student:
    """Regressions whose scores leave out how common answers are among the clips that they learn from."""

    regressions: Regressions
    level: NDArray[np.float64]

    def fit(self, setting: Setting) -> Coefficients:
        """Fit; where classes are balanced, they are equally common."""
        found = self.regressions.fit(setting.strength, balanced=setting.balanced)
        return found if setting.balanced else found.without(self.level)
