"""What came out of a search for better parameters."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cu_pipeline.models.search_space import Point, SearchSpace


@dataclass(frozen=True)
class Trial:
    """One point that was tried.

    Attributes:
        number: how many were finished before.
        point: the parameters.
        folds: the loss on each fold; those that are missing were not worth it.
        complete: whether all folds were measured.
        seconds: that it took, what was known before left out.
    """

    number: int
    point: Point
    folds: tuple[float, ...]
    complete: bool
    seconds: float

    @property
    def state(self) -> str:
        """In words."""
        return "complete" if self.complete else "stopped early"

    @property
    def loss(self) -> float:
        """The mean over the folds that were measured."""
        return float(np.mean(self.folds))


@dataclass(frozen=True)
class Comparison:
    """Parameters against those in use, on the same folds, none of which played a part in the search.

    Attributes:
        before: the loss of the parameters in use on each fold.
        after: that of the others.
    """

    before: tuple[float, ...]
    after: tuple[float, ...]

    @property
    def gain(self) -> float:
        """How much less the loss is."""
        return float(np.mean(self.before) - np.mean(self.after))

    @property
    def error(self) -> float:
        """The standard error of that, of paired folds."""
        return float(np.std(np.subtract(self.before, self.after), ddof=1) / math.sqrt(len(self.before)))

    @property
    def is_better(self) -> bool:
        """Whether the gain is more than one standard error."""
        return self.gain > self.error


def best_of(trials: Iterable[Trial]) -> Trial | None:
    """The complete trial with the least loss, the first among equals; None: there is none."""
    return min((one for one in trials if one.complete), key=lambda one: one.loss, default=None)


def results_json(space: SearchSpace, trials: Sequence[Trial], best: Trial, compared: Comparison) -> dict[str, Any]:
    """Put all results together: what the `tuning_results` dataset holds.

    Args:
        space: that was searched.
        trials: all that were finished.
        best: of them.
        compared: the best against what is in use.
    """
    return {
        "family": space.family,
        "parameters": space.settings(best.point),
        "in_use": {name: getattr(space.present, name) for name in space.dimensions},
        "loss": float(np.mean(compared.after)),
        "loss_in_use": float(np.mean(compared.before)),
        "gain": compared.gain,
        "standard_error": compared.error,
        "better": compared.is_better,
        "result": _in_words(space, len(trials), best, compared),
        "best": best.number,
        "trials": [
            {
                "trial": one.number,
                "state": one.state,
                "loss": one.loss if one.complete else None,
                "folds": list(one.folds),
                "parameters": space.settings(one.point),
                "seconds": round(one.seconds, 3),
            }
            for one in trials
        ],
    }


def _in_words(space: SearchSpace, count: int, best: Trial, compared: Comparison) -> str:
    if space.options(best.point) == space.present:
        return f"of {count} trials none is better than the parameters in use"
    losses = f"{np.mean(compared.after):.4f} instead of {np.mean(compared.before):.4f}"
    gain = f"{abs(compared.gain):.4f} (standard error {compared.error:.4f}, {len(compared.after)} folds)"
    if compared.is_better:
        return f"trial {best.number}, the best of {count}: loss {losses} on folds drawn anew, better by {gain}"
    way = "better" if compared.gain >= 0 else "worse"
    return (
        f"trial {best.number}, the best of {count}: loss {losses} on folds drawn anew, {way} by {gain}; not better "
        "than the parameters in use by more than one standard error"
    )
