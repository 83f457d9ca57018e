"""The MLflow run of an iteration, in which the runs of its steps are nested."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cu_pipeline.tracking import mlflow_run

ITERATION: Final = "iteration"
"""Tag with the iteration's number."""

PROJECT: Final = "iteration.project"
"""Tag with the folder of the project that iterates."""


def start(root: Path, number: int) -> str:
    """Start the run of an iteration, or find the one that a killed process started, and give its id."""
    mlflow_run.configure(root)
    import mlflow

    client = mlflow.MlflowClient()
    project = str(root.resolve())
    begun = mlflow_run.search(client, f"tags.{ITERATION} = '{number}' and attributes.status = 'RUNNING'")
    if own := [run for run in begun if run.data.tags.get(PROJECT) == project]:
        return str(own[0].info.run_id)
    tags = {ITERATION: str(number), PROJECT: project, "mlflow.source.name": "kedro iterate"}
    place = client.get_experiment_by_name(mlflow_run.EXPERIMENT)
    return str(client.create_run(place.experiment_id, run_name=f"iteration {number}", tags=tags).info.run_id)


def finish(
    root: Path, run_id: str, name: str, tags: Mapping[str, str], metrics: Mapping[str, float], *, failed: bool
) -> None:
    """End the run of an iteration with its cause, cost and effect.

    Args:
        root: the project's folder.
        run_id: of it.
        name: shown in the UI.
        tags: cause, decision and outcome.
        metrics: cost and effect.
        failed: whether it was given up.
    """
    mlflow_run.configure(root)
    import mlflow

    client = mlflow.MlflowClient()
    client.update_run(run_id, name=name)
    for key, value in tags.items():
        client.set_tag(run_id, key, value)
    for key, number in metrics.items():
        client.log_metric(run_id, key, number)
    client.set_terminated(run_id, "FAILED" if failed else "FINISHED")
