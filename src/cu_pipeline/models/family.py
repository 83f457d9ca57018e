"""What every model family has."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind, indicators
from cu_pipeline.core.options import Options
from cu_pipeline.features.clip_features import ClipFeatures, Rows
from cu_pipeline.features.extractor import Form, form_of
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.models.folds import Fold

Targets: TypeAlias = NDArray[np.float32]
"""Class probabilities to learn from, (n, classes)."""

Logits: TypeAlias = NDArray[np.float32]
Weights: TypeAlias = Mapping[str, NDArray[Any]]
History: TypeAlias = list[dict[str, float]]


@dataclass(frozen=True)
class Examples:
    """Features with what a model shall answer.

    Attributes:
        features: of n clips.
        targets: float32 (n, classes).
        groups: int64 (n): clips with the same number are tied together (a creator's, near-duplicates) and never both
            learned from and predicted in cross-validation; None: each stands alone.
        classes: names of the targets' columns; empty: not told.
        descriptions: class -> what belongs to it, in words, for those that have any.
        inputs: extractor -> which of its features they are; empty: not told.
    """

    features: ClipFeatures
    targets: Targets
    groups: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    descriptions: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, FeatureInput] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def units(self) -> NDArray[np.int64]:
        """`groups`, or a number of its own for each clip."""
        return np.arange(len(self)) if self.groups is None else self.groups

    def only(self, names: Sequence[str]) -> "Examples":
        """The same clips with some of their features, in the order given."""
        return replace(self, features=self.features.only(names))

    def take(self, rows: Rows) -> "Examples":
        """The clips at the positions `rows`; a slice shares the memory, and so does what slices are joined to."""
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, features=self.features.take(rows), targets=self.targets[rows], groups=groups)

    def joined(self, others: "Examples") -> "Examples":
        """These clips and then the others, whose groups mean the same."""
        if not len(others):
            return self
        groups = None if self.groups is None or others.groups is None else np.r_[self.groups, others.groups]
        features, targets = self.features.joined(others.features), np.r_[self.targets, others.targets]
        return replace(self, features=features, targets=targets, groups=groups)


@dataclass(frozen=True)
class Fitted:
    """What fitting gives: all that is needed to load the model again, in the form that bundles keep.

    Attributes:
        config: JSON.
        weights: name -> array.
        history: a record a step: `epoch`, and measured values such as `loss` and `val_loss`.
        cross_fitted: logits (n, classes) of all clips, those of training first, each by models that have not seen its
            group, NaN where none was asked; None: there are none, and the model is calibrated on the validation clips.
    """

    config: dict[str, Any]
    weights: Weights
    history: History = field(default_factory=list)
    cross_fitted: Logits | None = None


class Model(Protocol):
    """A fitted model, ready to score."""

    def logits(self, features: ClipFeatures) -> Logits:
        """Score clips.

        Returns:
            float32 (n, classes), whose softmax or sigmoid are the probabilities before calibration.
        """


class Family(Protocol):
    """A way to learn from features.

    It may name the `packages` that its models need to answer, beside the service's own. One that is `blind` reads
    features for others' sake: nothing of them decides its models or their answers, and fitting need not hand them over.

    Attributes:
        options: the model of its parameters, the group of its name in `train`.
        revision: of its code; another one when the code gives another model from the same inputs.
    """

    options: ClassVar[type[Options]]
    revision: ClassVar[int | str]

    def reads(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """Choose from the features in use those that it reads, in its order.

        Args:
            shapes: extractor -> shape of one clip's feature; `form_of` says what it is.
        """

    def fit(self, train: Examples, validation: Examples, kind: Kind, options: Any, seed: int) -> Fitted:
        """Learn; the same arguments, machine kind and thread count give the same bytes.

        Args:
            train: clips to learn from.
            validation: clips that choose between epochs or strengths; there may be none.
            kind: of the capability; decides the loss.
            options: an instance of the family's `options`.
            seed: of every random choice.
        """

    def load(self, config: dict[str, Any], weights: Weights) -> Model:
        """Make the model that was fitted ready.

        Raises:
            BundleError: the weights do not fit the configuration.
        """


@runtime_checkable
class Composite(Family, Protocol):
    """A family that learns by others, so that its parameters decide what it reads."""

    def reads_with(self, shapes: Mapping[str, tuple[int, ...]], options: Any) -> list[str]:
        """Choose from the features in use those that it reads with these parameters, an instance of its `options`."""


@runtime_checkable
class Refittable(Family, Protocol):
    """A family that can learn again from other clips in a moment, by the settings that a fitted model has."""

    def refits(self, fitted: Fitted, examples: Examples, turns: Iterable[Fold], kind: Kind) -> Iterator[Logits]:
        """Predict in each turn the unseen clips by a model of the seen ones, whose settings are not chosen anew.

        Args:
            fitted: the model whose settings are taken.
            examples: all clips, with the features that it reads; the targets of unseen ones play no part.
            turns: what is learned from and predicted.
            kind: of the capability.

        Yields:
            float32 (unseen, classes), turn by turn, each computed when it is asked for; nothing where the model has no
            such settings.
        """


class Candidate(NamedTuple):
    """A family with its parameters and what it reads, to be chosen or pooled.

    Attributes:
        name: of the family.
        learner: of the family.
        options: of its parameters.
        inputs: the features that it reads.
    """

    name: str
    learner: Family
    options: Options
    inputs: Sequence[str]

    @classmethod
    def of(cls, name: str, learner: Family, options: Options, shapes: Mapping[str, tuple[int, ...]]) -> Self:
        """Let a family choose from the features in use, of which `shapes` tells the shapes."""
        reads = learner.reads_with(shapes, options) if isinstance(learner, Composite) else learner.reads(shapes)
        return cls(name, learner, options, reads)

    def shown(self, examples: Examples) -> Examples:
        """What the family is to look at of clips."""
        return examples.only([] if getattr(self.learner, "blind", False) else self.inputs)


def reads_vectors(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """The features that are vectors: what most families read."""
    return reads_forms(shapes, "vectors")


def reads_forms(shapes: Mapping[str, tuple[int, ...]], *forms: Form) -> list[str]:
    """The features that have one of some forms."""
    return [name for name, shape in shapes.items() if form_of(shape) in forms]


def soft_targets(labels: pd.DataFrame, capability: Capability) -> Targets:
    """Turn labels into class probabilities, so that a doubtful label weighs less than a sure one.

    Args:
        labels: rows of the labels table, all of `capability`.
        capability: with its classes.

    Returns:
        float32 (n, classes); rows without probabilities are indicators.
    """
    targets = indicators(labels["label"], capability).astype(np.float32)
    for row, text in enumerate(labels["probabilities"]):
        if text:
            given = json.loads(text)
            targets[row] = [given.get(name, 0.0) for name in capability.classes]
    return targets
