"""Trials of tuning in MLflow: a run for each inside the active one, however many processes it took to make them."""

import time
from collections.abc import Mapping
from typing import Any, Final

from cu_pipeline.core.paths import project_root
from cu_pipeline.models.tuning_results import Trial
from cu_pipeline.tracking.mlflow_run import EXPERIMENT, PARENT, configure, log_metrics, search, set_tags

STUDY: Final = "study"
"""Tag of a trial's run: the study that it belongs to."""

NUMBER: Final = "trial"
"""Tag of a trial's run: its number in the study."""


class TrialRuns:
    """The runs of a study's trials. Those that earlier runs logged are moved into the active one, so that it has all.

    Args:
        study: its name.
        tags: of each run.
    """

    def __init__(self, study: str, tags: Mapping[str, str]) -> None:
        configure(project_root())
        import mlflow

        self._client = mlflow.MlflowClient()
        self._study, self._tags = study, dict(tags)
        active = mlflow.active_run()
        self._parent = active.info.run_id if active else ""
        found = search(self._client, f"tags.{STUDY} = '{study}'")
        self._known = {run.data.tags[NUMBER]: run for run in found if run.info.status == "FINISHED"}
        for run in found:
            if run.info.status != "FINISHED":  # its process was killed while it was written
                self._client.delete_run(run.info.run_id)

    def log(self, trial: Trial) -> None:
        """Log a trial, or move its run."""
        known = self._known.get(str(trial.number))
        if known is None:
            self._create(trial)
        elif self._parent and known.data.tags.get(PARENT) != self._parent:
            self._client.set_tag(known.info.run_id, PARENT, self._parent)

    def _create(self, trial: Trial) -> None:
        from mlflow.entities import Metric, Param

        now = round(time.time() * 1000)
        experiment: Any = self._client.get_experiment_by_name(EXPERIMENT)
        tags = self._tags | {STUDY: self._study, NUMBER: str(trial.number)}
        tags |= {"state": trial.state}
        tags |= {PARENT: self._parent} if self._parent else {}
        begun = now - round(trial.seconds * 1000)
        run = self._client.create_run(experiment.experiment_id, begun, tags, f"trial {trial.number}")
        metrics = [Metric("loss", trial.loss, now, 0)] if trial.complete else []  # first: MLflow's plots begin with it
        metrics += [Metric("loss_by_fold", value, now, fold) for fold, value in enumerate(trial.folds)]
        params = [Param(name, str(value)) for name, value in trial.point.items()]
        self._client.log_batch(run.info.run_id, metrics, params)
        self._client.set_terminated(run.info.run_id, "FINISHED")


def log_result(results: dict[str, Any]) -> None:
    """Say on the active run what tuning came to.

    Args:
        results: the `tuning_results` dataset.
    """
    configure(project_root())
    set_tags(
        {f"tuning.{name}": str(results[name]) for name in ("study", "family", "capabilities", "result", "parameters")}
    )
    log_metrics({f"tuning/{name}": results[name] for name in ("loss", "loss_in_use", "gain", "standard_error")})
