"""Search for better parameters of a model family, which can be killed at any point and goes on where it was.

Optuna keeps trials in a file, but neither sampler nor pruner. So each trial has a sampler of its own, seeded by how
many were finished before: it proposes the same whether or not the process was another one until then. What was measured
of a trial that was cut off is not measured again.
"""

import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.options import Options
from cu_pipeline.core.progress import bar
from cu_pipeline.models.search_space import Point, SearchSpace, as_text
from cu_pipeline.models.tuning_loss import WORST
from cu_pipeline.models.tuning_plan import TuneOptions
from cu_pipeline.models.tuning_results import Comparison, Trial, best_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

_FIRST: Final = "first"
"""Attribute of a study: the point that is tried first."""

_log = logging.getLogger(__name__)


class Measure(Protocol):
    """What says how good parameters are.

    Attributes:
        count: how many folds there are.
    """

    @property
    def count(self) -> int: ...  # noqa: D102

    def loss(self, options: Options, fold: int) -> float:
        """The loss on a fold of a model with these parameters that learned from the others."""


@contextmanager
def open_study(path: Path, name: str, pruning: float) -> "Iterator[Study]":
    """Open a study in a file of studies; both are made where they are absent.

    Args:
        path: SQLite.
        name: of the study, by all that decides its losses.
        pruning: see `TuneOptions`.

    Raises:
        StoreError: the file is damaged, or of a newer Optuna.
    """
    import optuna
    from sqlalchemy.exc import DatabaseError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
        study = optuna.create_study(storage=storage, study_name=name, pruner=_pruner(pruning), load_if_exists=True)
    except (DatabaseError, RuntimeError) as error:
        what = str(error).partition("\n")[0]
        raise StoreError(f"{path} cannot be used ({what}): delete it, and tuning begins anew") from error
    try:
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


@dataclass(frozen=True)
class Search:
    """A study that is worked on.

    Attributes:
        study: Optuna's.
        space: where is searched.
        measure: what says how good parameters are.
        seed: of every random choice.
    """

    study: "Study"
    space: SearchSpace
    measure: Measure
    seed: int
    _losses: dict[str, dict[int, float]] = field(default_factory=dict)

    def run(self, options: TuneOptions, told: Callable[[Trial], None]) -> list[Trial]:
        """Try points until the study is complete or the time is over.

        Args:
            options: how many, and how long.
            told: called with each finished trial of the study, also those of earlier runs.

        Returns:
            All finished trials, in their order.
        """
        self._close_interrupted()
        found = self.trials()
        for one in found:
            told(one)
        if found:
            _log.info("%d of %d trials were finished before", len(found), options.trials)
        ends = time.monotonic() + options.minutes * 60
        with bar(f"tune {self.space.family}", max(options.trials - len(found), 0), "trial") as shown:
            while len(found) < options.trials:
                trial = self._try(len(found), ends)
                if trial is None:
                    _log.info("tune.minutes=%g are over: run again to go on", options.minutes)
                    break
                found.append(trial)
                told(trial)
                shown.update()
                _tell(trial, found, self.measure.count)
        return found

    def trials(self) -> list[Trial]:
        """The finished trials, in their order."""
        from optuna.trial import TrialState

        states = (TrialState.COMPLETE, TrialState.PRUNED)
        finished = self.study.get_trials(deepcopy=False, states=states)
        return [self._read(number, one) for number, one in enumerate(finished)]

    def compare(self, point: Point, anew: Measure) -> Comparison:
        """Hold a point against the parameters in use.

        The best of many on some folds is also the luckiest there, so both are measured on others.

        Args:
            point: of the space.
            anew: with folds that played no part in the search.
        """
        with bar("measure the best one anew", 2 * anew.count, "fold") as shown:
            before = self._measured(self.space.present, anew, shown.update)
            return Comparison(before, self._measured(self.space.options(point), anew, shown.update))

    def _measured(self, options: Options, anew: Measure, told: Callable[[], None]) -> tuple[float, ...]:
        """Losses on all folds, kept in the study."""
        key = f"anew {json_sha256(as_text(options.model_dump()))[:16]}"
        losses: list[float] = self.study.user_attrs.get(key, [])
        for fold in range(len(losses), anew.count):
            losses = [*losses, _bounded(anew.loss(options, fold))]
            self.study.set_user_attr(key, losses)
            told()
        return tuple(losses)

    def _close_interrupted(self) -> None:
        """Mark what a killed process was at as failed: it is done again."""
        from optuna.trial import TrialState

        for one in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self.study.tell(one.number, state=TrialState.FAIL)

    def _try(self, number: int, ends: float) -> Trial | None:
        """Try one point; None where the time is over."""
        from optuna.trial import TrialState

        if time.monotonic() >= ends:
            return None
        trial = self._ask(number)
        point = self.space.point(trial.params)
        options, known = self.space.options(point), self._known(point)
        close: Callable[..., FrozenTrial] = partial(self.study.tell, trial)
        try:
            for fold in range(self.measure.count):
                if fold not in known and time.monotonic() >= ends:
                    close(state=TrialState.FAIL)
                    return None
                trial.report(known[fold] if fold in known else _bounded(self.measure.loss(options, fold)), fold)
                if fold + 1 < self.measure.count and _hopeless(trial):
                    return self._read(number, close(state=TrialState.PRUNED))
            losses = self.study.get_trials(deepcopy=False)[trial.number].intermediate_values
            return self._read(number, close(float(np.mean(list(losses.values())))))
        except BaseException:
            close(state=TrialState.FAIL)
            raise

    def _ask(self, number: int) -> Any:
        """Propose a point, which follows from the seed and the finished trials; the first is that in use."""
        from optuna.samplers import TPESampler
        from optuna.trial import TrialState

        seed = int(json_sha256([self.seed, number])[:8], 16)
        self.study.sampler = TPESampler(seed=seed, constant_liar=False)
        if not number and not self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            if _FIRST not in self.study.user_attrs:
                self.study.set_user_attr(_FIRST, self.space.place_of(self.space.present))
            if (first := self.study.user_attrs[_FIRST]) is not None:
                self.study.enqueue_trial(first)
        return self.study.ask({name: _distribution(self.space, name) for name in self.space.dimensions})

    def _known(self, point: Point) -> dict[int, float]:
        """Losses of earlier trials of the same point, by fold."""
        found: dict[int, float] = {}
        for one in self.study.get_trials(deepcopy=False):
            if one.params.keys() == self.space.dimensions.keys() and self.space.point(one.params) == point:
                found |= one.intermediate_values
        return found

    def _read(self, number: int, found: "FrozenTrial") -> Trial:
        folds = tuple(value for _, value in sorted(found.intermediate_values.items()))
        seconds = found.duration.total_seconds() if found.duration else 0.0
        return Trial(number, self.space.point(found.params), folds, found.state.name == "COMPLETE", seconds)


def _tell(trial: Trial, found: list[Trial], folds: int) -> None:
    best, count = best_of(found), len(trial.folds)
    how = f"loss {trial.loss:.4f}" + (", the best so far" if best is trial else "")
    if best and not trial.complete:
        worse = trial.loss - float(np.mean(best.folds[:count]))
        how = f"stopped after {count} of {folds} folds, on which trial {best.number} is better by {worse:.4f}"
    _log.info("trial %d: %s (%s)", trial.number, how, ", ".join(f"{name}={one}" for name, one in trial.point.items()))


def _distribution(space: SearchSpace, name: str) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    dimension = space.dimensions[name]
    if dimension.choices:
        return CategoricalDistribution(dimension.scalars)
    low, high = dimension.low or 0, dimension.high or 0
    if space.is_integer(name):
        return IntDistribution(int(low), int(high), log=dimension.log)
    return FloatDistribution(float(low), float(high), log=dimension.log)


def _pruner(p_value: float) -> Any:
    from optuna.exceptions import ExperimentalWarning
    from optuna.pruners import NopPruner, WilcoxonPruner

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return WilcoxonPruner(p_threshold=p_value) if p_value else NopPruner()


def _hopeless(trial: Any) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of SciPy, where some folds are alike
        return bool(trial.should_prune())


def _bounded(loss: float) -> float:
    return min(loss, WORST) if math.isfinite(loss) else WORST
