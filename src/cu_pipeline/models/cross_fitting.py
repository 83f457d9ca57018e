"""Predictions of clips by models that have not seen their units, for families whose fit gives none."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.progress import each
from cu_pipeline.models.family import Examples, Family, Logits
from cu_pipeline.models.folds import Fold, grouped_folds
from cu_pipeline.models.logistic import MANY, hard_labels

_INNER: Final = 6
"""One in so many units of the clips to learn from chooses between epochs."""


def cross_fitted(
    learner: Family,
    examples: Examples,
    folds: Sequence[Fold],
    kind: Kind,
    options: Any,
    seed: int,
    before_fold: Callable[[], None] = lambda: None,
) -> Logits:
    """Predict each fold by a model of the others, some of whose units choose between epochs.

    Args:
        learner: the family.
        examples: n clips with the features that it reads.
        folds: that divide them, units being whole.
        kind: of the capability.
        options: of the family.
        seed: of every random choice.
        before_fold: called before each fit; what it raises ends the work.

    Returns:
        float32 (n, classes).
    """
    logits = np.zeros(examples.targets.shape, dtype=np.float32)
    for fold in each(iter(folds), "predict unseen clips", len(folds), "fold"):
        before_fold()
        seen = examples.take(fold.seen)
        # to divide many units takes minutes, and one that looks at nothing has no epochs to choose between
        alone = getattr(learner, "blind", False) and len(examples) > MANY
        fitted = learner.fit(*((seen, seen.take([])) if alone else _parted(seen, kind, seed)), kind, options, seed)
        model = learner.load(fitted.config, fitted.weights)
        logits[fold.unseen] = model.logits(examples.features.take(fold.unseen))
    return logits


def _parted(seen: Examples, kind: Kind, seed: int) -> tuple[Examples, Examples]:
    """Some units apart, to choose between epochs; none where all are tied together."""
    inner = grouped_folds(seen.units, hard_labels(seen.targets, kind).truth, _INNER, seed)
    if not inner:
        return seen, seen.take([])
    return seen.take(inner[0].seen), seen.take(inner[0].unseen)
