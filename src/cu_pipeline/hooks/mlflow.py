"""One MLflow run per run, with what the catalog declares: `metadata: {mlflow: [KIND, …]}` on a dataset in a file."""

import json
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl

from cu_pipeline.core import counters
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.hooks import mlflow_content
from cu_pipeline.hooks.run_state import Ended, Run, RunState
from cu_pipeline.tracking import facts, mlflow_run, mlflow_server, run_names, run_note, run_parameters, run_table
from cu_pipeline.tracking.abandoned_runs import close_abandoned, owner_tags
from cu_pipeline.tracking.configuration import STAGE_VARIABLE

_DETAILS = "run.json"


class MlflowHooks:
    """Starts the MLflow run, logs what the catalog declares of the datasets that were written, and ends it.

    Args:
        state: shared with the other hooks.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._ending: Callable[[Ended, str], None]
        self._earlier = run_names.Before()
        self._params: dict[str, str] = {}
        self._tags: dict[str, str] = {}
        self._logged: mlflow_content.Logged | None = None

    @hook_impl
    def before_pipeline_run(self, catalog: Any) -> None:
        """Close the runs of processes that were killed, and start the MLflow run with its parameters.

        Raises:
            ConfigurationError: the catalog declares a kind that there is not.
            TrackingError: MLflow's server or database cannot be used.
            NoSpaceError: the disk is full.
        """
        run = self._state.run
        self._logged = None
        if run is None:
            return
        _check(run)
        tags = facts.run_facts(run.root) | owner_tags(run.root)
        tags |= {mlflow_run.PIPELINE: run.name, "env": str(run.context.env or "local")}
        if parent := os.environ.get(mlflow_run.PARENT_VARIABLE):
            tags[mlflow_run.PARENT] = parent
        if stage := os.environ.get(STAGE_VARIABLE):
            tags["dvc.stage"] = stage
        loader = run.context.config_loader
        whole, base = loader["parameters"], loader.base_parameters()
        text = run_parameters.as_yaml(whole)
        self._params = run_parameters.everything(text)
        with _failures_told(run.root):
            close_abandoned(run.root)
            self._earlier = run_names.before(run.root)
            self._tags = tags | self._earlier.links()
            run.run_id = mlflow_run.start(run.root, self._name(run), self._tags)
            self._logged = mlflow_content.Logged(run, catalog.load)
            self._ending = partial(_end, self._logged)
            run.endings.append(self._ending)
            changed = {key: here for key, (_, here) in self._changes.items() if here}
            mlflow_run.log_params(run_parameters.compared(whole, base) | changed)
            mlflow_run.log_text(text, run_parameters.FILE)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Log models and what was measured of them before later nodes register them.

        Raises:
            TrackingError: MLflow's server or database cannot be used.
            NoSpaceError: the disk is full.
        """
        if self._state.run and self._logged:
            with _failures_told(self._state.run.root):
                mlflow_content.log_saved(self._logged, dataset_name, data)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Log what came out.

        Raises:
            TrackingError: MLflow's server or database cannot be used.
            NoSpaceError: the disk is full.
        """
        run, logged = self._state.run, self._logged
        if run is None or logged is None:
            return
        with _failures_told(run.root):
            self._tags |= run.tags
            mlflow_run.set_tags(_stored(run.tags) | facts.end_facts())
            mlflow_run.rename(self._name(run))
            told = mlflow_content.log_content(logged)
            mlflow_run.set_tags({run_note.NOTE: "\n\n".join(filter(None, [self._note(run), told]))})
            run.seconds["total"] = time.perf_counter() - run.started
            mlflow_run.log_metrics({"total/seconds": round(run.seconds["total"], 1)})
            run_table.publish()
        self._ending("FINISHED", "")
        run.endings.remove(self._ending)

    def _name(self, run: Run) -> str:
        return run_names.run_name(run.name, self._tags, self._changes, self._new_data(run), self._earlier)

    def _note(self, run: Run) -> str:
        place = mlflow_run.experiment_id()
        return run_note.note(place, self._tags, self._earlier, self._changes, self._new_data(run))

    @property
    def _changes(self) -> dict[str, tuple[str, str]]:
        return run_names.parameter_changes(self._params, self._earlier)

    def _new_data(self, run: Run) -> dict[str, int]:
        return run_names.data_changes(run.root, self._tags, self._earlier)


def _failures_told(root: Path) -> AbstractContextManager[None]:
    return mlflow_server.failures_told(mlflow_run.tracking_uri(root))


def _check(run: Run) -> None:
    allowed = mlflow_content.KINDS
    problems = [
        f"catalog entry {name!r}, metadata mlflow: {kind!r} is unknown. Allowed: {', '.join(allowed)}"
        for name, file in run.files.items()
        for kind in file.mlflow
        if kind not in allowed
    ]
    if problems:
        raise ConfigurationError(problems)


def _stored(tags: dict[str, str]) -> dict[str, str]:
    """Name tags so that the UI shows those that people read: it hides what begins with `mlflow.`."""
    return {
        f"{mlflow_run.HIDDEN}{key}" if key.startswith(mlflow_run.DATA) else key: value for key, value in tags.items()
    }


def _end(logged: mlflow_content.Logged, status: Ended, error: str) -> None:
    run = logged.run
    details = {"seconds": dict(run.seconds), "counters": counters.counts()}
    with _failures_told(run.root):
        logged.capabilities.finish(status)
        mlflow_run.log_text(json.dumps(details, indent=2), _DETAILS)
        mlflow_run.finish(status, error)
