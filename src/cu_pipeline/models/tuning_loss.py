"""What parameters of a model family are worth: the loss on clips of units that the model has not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.options import Options
from cu_pipeline.core.records import Split
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.models.calibration import unseen_predictions
from cu_pipeline.models.expert_pool import mean_loss
from cu_pipeline.models.family import Examples, Family
from cu_pipeline.models.folds import Fold, grouped_folds
from cu_pipeline.models.logistic import hard_labels
from cu_pipeline.models.probabilities import temperature
from cu_pipeline.models.training import TrainingData, labelled_examples

WORST: Final = 1000.0
"""The loss of a model whose scores are no numbers, or are further off than this."""


@dataclass(frozen=True)
class TuningTask:
    """The clips of one capability outside the test split.

    Attributes:
        name: of the capability.
        kind: of the capability.
        examples: its n clips.
        validates: bool (n): whether a clip chooses between epochs, and is not learned from.
    """

    name: str
    kind: Kind
    examples: Examples
    validates: NDArray[np.bool_]

    @classmethod
    def of(cls, data: TrainingData, store: FeatureStore, inputs: Mapping[str, FeatureInput]) -> Self:
        """Read the features that a family reads of a capability's clips."""
        validates = (data.clips["split"] == Split.VALIDATION.value).to_numpy()
        return cls(data.name, data.capability.kind, labelled_examples(data, store, inputs), validates)

    def divided(self, folds: int, seed: int) -> list[Fold]:
        """Divide the clips by units."""
        return grouped_folds(self._units, self._truth, folds, seed)

    def problem(self, folds: int) -> str:
        """Say why the clips cannot be divided into so many folds; "" where they can."""
        about = f"capability {self.name!r}: its {len(self.examples)} labelled clips outside the test split"
        if len(np.unique(self._truth, axis=0)) < 2:
            return f"{about} all have the same answer, so there is nothing to tune. Label more clips"
        if (units := len(np.unique(self._units))) < folds:
            return (
                f"{about} are of {units} units (creators, near-duplicates), too few for {folds} folds. Label clips of "
                "more creators, lower tune.folds, or name another capability in tune.capability"
            )
        return ""

    @property
    def _units(self) -> NDArray[np.int64]:
        return np.arange(len(self.examples)) if self.examples.groups is None else self.examples.groups

    @property
    def _truth(self) -> NDArray[np.bool_]:
        return hard_labels(self.examples.targets, self.kind).truth


@dataclass(frozen=True)
class CrossValidation:
    """How well a family learns capabilities, each of which weighs alike, with given parameters.

    As in training, the clips of the validation split choose between epochs and set the temperature, as far as they are
    not held out.

    Attributes:
        tasks: the capabilities.
        folds: of each capability, as many of each.
        learner: the family.
        seed: of fitting.
    """

    tasks: Sequence[TuningTask]
    folds: Sequence[Sequence[Fold]]
    learner: Family
    seed: int

    @classmethod
    def of(cls, tasks: Sequence[TuningTask], learner: Family, folds: int, seed: int) -> Self:
        """Divide the clips of capabilities, of which `problem` says nothing, by units."""
        return cls(tasks, [one.divided(folds, seed) for one in tasks], learner, seed)

    def divided_anew(self) -> Self:
        """Divide the same clips otherwise."""
        return replace(self, folds=[one.divided(self.count, self.seed + 1) for one in self.tasks])

    @property
    def count(self) -> int:
        """How many folds there are."""
        return len(self.folds[0])

    def loss(self, options: Options, fold: int) -> float:
        """Mean negative log-likelihood of the answers of a fold's clips, of models that learned from the others."""
        losses = [self._loss(task, folds[fold], options) for task, folds in zip(self.tasks, self.folds, strict=True)]
        return float(np.mean(losses))

    def _loss(self, task: TuningTask, fold: Fold, options: Options) -> float:
        validates = task.validates[fold.seen]
        validates = validates & ~validates.all()  # where there is no other clip, they are learned from
        training, validation = task.examples.take(fold.seen[~validates]), task.examples.take(fold.seen[validates])
        fitted = self.learner.fit(training, validation, task.kind, options, self.seed)
        unseen, model = task.examples.take(fold.unseen), self.learner.load(fitted.config, fitted.weights)
        held_out = unseen_predictions(fitted, self.learner, training, validation, task.kind)
        scale = temperature(*held_out, task.kind)
        logits = model.logits(unseen.features).astype(np.float64) / scale
        return mean_loss(logits, hard_labels(unseen.targets, task.kind), task.kind)
