"""One MLflow run per run, with what the catalog declares: `metadata: {mlflow: [KIND, …]}` on a dataset in a file."""

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Final

from kedro.framework.hooks import hook_impl

from cu_pipeline.core import counters
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.hooks.run_state import Ended, Run, RunState
from cu_pipeline.reports.figures import metrics_pictures
from cu_pipeline.tracking import facts, mlflow_run, mlflow_server
from cu_pipeline.tracking.abandoned_runs import close_abandoned, owner_tags
from cu_pipeline.tracking.configuration import STAGE_VARIABLE

_CONTENT: Final[dict[str, Callable[[Any], None]]] = {
    "metrics": lambda found: mlflow_run.log_metrics(mlflow_run.evaluation_metrics(found)),
    "gate": lambda found: mlflow_run.log_metrics(mlflow_run.gate_metrics(found)),
    "figures": lambda found: mlflow_run.log_pictures(metrics_pictures(found), "figures"),
    "curves": mlflow_run.log_curves,
    "selection": lambda found: mlflow_run.log_metrics(mlflow_run.selection_metrics(found)),
}
"""Kinds that log what a dataset holds: numbers and figures of evaluations, decisions of the gate, training curves in
nested runs, losses of families that models were chosen from."""

_FILE: Final = "artifact"
"""The kind that logs a dataset's file."""


class MlflowHooks:
    """Starts the MLflow run, logs what the catalog declares of the datasets that were written, and ends it.

    Args:
        state: shared with the other hooks.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._ending: Callable[[Ended, str], None]

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Close the runs of processes that were killed, and start the MLflow run with its parameters.

        Raises:
            ConfigurationError: the catalog declares a kind that there is not.
            TrackingError: MLflow's server or database cannot be used.
            NoSpaceError: the disk is full.
        """
        run = self._state.run
        if run is None:
            return
        _check(run)
        tags = facts.run_facts(run.root) | owner_tags(run.root)
        tags |= {mlflow_run.PIPELINE: run.name, "env": str(run.context.env or "local")}
        if stage := os.environ.get(STAGE_VARIABLE):
            tags["dvc.stage"] = stage
        with _failures_told(run.root):
            close_abandoned(run.root)
            run.run_id = mlflow_run.start(run.root, run.name, tags)
            self._ending = partial(_end, run.root)
            run.endings.append(self._ending)
            mlflow_run.log_params(run.context.params)

    @hook_impl
    def after_pipeline_run(self, catalog: Any) -> None:
        """Log what came out.

        Raises:
            TrackingError: MLflow's server or database cannot be used.
            NoSpaceError: the disk is full.
        """
        run = self._state.run
        if run is None:
            return
        with _failures_told(run.root):
            mlflow_run.set_tags(run.tags | facts.end_facts())
            _log_datasets(run, catalog)
            run.seconds["total"] = time.perf_counter() - run.started
            mlflow_run.log_metrics({f"seconds/{name}": value for name, value in run.seconds.items()})
        self._ending("FINISHED", "")
        run.endings.remove(self._ending)


def _failures_told(root: Path) -> AbstractContextManager[None]:
    return mlflow_server.failures_told(mlflow_run.tracking_uri(root))


def _check(run: Run) -> None:
    allowed = [_FILE, *_CONTENT]
    problems = [
        f"catalog entry {name!r}, metadata mlflow: {kind!r} is unknown. Allowed: {', '.join(allowed)}"
        for name, file in run.files.items()
        for kind in file.mlflow
        if kind not in allowed
    ]
    if problems:
        raise ConfigurationError(problems)


def _log_datasets(run: Run, catalog: Any) -> None:
    written = {name: file for name, file in run.files.items() if name in run.written()}
    for name, file in written.items():
        kinds = [kind for kind in file.mlflow if kind != _FILE]
        content = catalog.load(name) if kinds else None
        for kind in kinds:
            _CONTENT[kind](content)
    mlflow_run.log_files(run.root / file.path for file in written.values() if _FILE in file.mlflow)


def _end(root: Path, status: Ended, error: str) -> None:
    with _failures_told(root):
        mlflow_run.log_metrics({f"counters/{name}": float(value) for name, value in counters.counts().items()})
        mlflow_run.finish(status, error)
