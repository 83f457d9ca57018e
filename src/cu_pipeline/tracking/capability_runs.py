"""The runs inside a run of pipelines, one for each capability: all its numbers, and its training step by step."""

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from cu_pipeline.core.paths import project_root
from cu_pipeline.tracking.mlflow_run import EXPERIMENT, PARENT, Status, configure
from cu_pipeline.tracking.run_metrics import Numbers

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

CAPABILITY: Final = "capability"
"""Tag of a capability's run and of a model: the capability's plain name."""

_BATCH: Final = 500


class CapabilityRuns:
    """Makes a capability's run inside the active one when something is logged of it first."""

    def __init__(self) -> None:
        configure(project_root())
        import mlflow

        self._client = mlflow.MlflowClient()
        active = mlflow.active_run()
        self._parent = active.info.run_id if active else ""
        self._runs: dict[str, str] = {}

    def finish(self, status: Status) -> None:
        """End the runs."""
        while self._runs:
            self._client.set_terminated(self._runs.popitem()[1], status)

    def of(self, capability: str) -> str:
        """The id of a capability's run."""
        if capability not in self._runs:
            experiment: Any = self._client.get_experiment_by_name(EXPERIMENT)
            tags = {CAPABILITY: capability} | ({PARENT: self._parent} if self._parent else {})
            run = self._client.create_run(experiment.experiment_id, tags=tags, run_name=capability)
            self._runs[capability] = run.info.run_id
        return self._runs[capability]

    def log(
        self, capability: str, numbers: Numbers, model_id: str | None = None, dataset: "DatasetInput | None" = None
    ) -> None:
        """Log numbers of a capability, and of its model where that is in MLflow.

        Args:
            capability: its name.
            numbers: name -> value.
            model_id: of the LoggedModel that they are of.
            dataset: that they were measured on; only with a model.
        """
        from mlflow.entities import Metric

        now, about = round(time.time() * 1000), dataset.dataset if dataset and model_id else None
        name, digest = (about.name, about.digest) if about else (None, None)
        metrics = [Metric(key, value, now, 0, model_id, name, digest) for key, value in numbers.items()]
        self._log(capability, metrics)

    def log_steps(self, capability: str, rows: Iterable[Mapping[str, float]]) -> None:
        """Log a model's training, a step per epoch.

        Args:
            capability: its name.
            rows: of `epoch` and measured values.
        """
        from mlflow.entities import Metric

        now = round(time.time() * 1000)
        self._log(
            capability,
            [
                Metric(f"training/{name}", float(value), now, round(row["epoch"]))
                for row in rows
                for name, value in row.items()
                if name != "epoch"
            ],
        )

    def _log(self, capability: str, metrics: list[Any]) -> None:
        for start in range(0, len(metrics), _BATCH):
            self._client.log_batch(self.of(capability), metrics[start : start + _BATCH])
