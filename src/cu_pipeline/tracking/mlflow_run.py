"""One MLflow run per pipeline run. MLflow is imported when the first function is called."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from cu_pipeline.tracking import mlflow_server
from cu_pipeline.tracking.artifact_places import ARTIFACTS, update_artifact_places
from cu_pipeline.tracking.shared_artifacts import share_artifacts

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

EXPERIMENT: Final = "cu-pipeline"
DATABASE: Final = "mlflow.db"
PIPELINE: Final = "pipeline"
"""The tag of a run of pipelines, with their names."""

DATA: Final = "dvc."
"""What stands before the path of a file or folder in the tag that has DVC's hash of it, after `HIDDEN`."""

HIDDEN: Final = "mlflow."
"""What tags begin with that MLflow's UI does not show."""

PARENT: Final = "mlflow.parentRunId"
"""MLflow's tag of a nested run."""

PARENT_VARIABLE: Final = "CU_PIPELINE_PARENT_RUN"
"""Environment variable with the run that runs of pipelines are nested in; unset: in none."""

_logger = logging.getLogger(__name__)

_MAX_VALUE: Final = 6000
_MAX_TAG: Final = 8000
_BATCH: Final = 100
_PAGE: Final = 1000

Status = Literal["FINISHED", "FAILED", "KILLED"]


_own_uris: set[str] = set()  # MLflow puts what it is pointed at into the environment, where a user's choice would be


def tracking_uri(root: Path) -> str:
    """Say where runs are kept: `MLFLOW_TRACKING_URI`, else a database in the project's `mlruns`."""
    given = os.environ.get("MLFLOW_TRACKING_URI")
    return given if given and given not in _own_uris else f"sqlite:///{root.resolve() / 'mlruns' / DATABASE}"


def tracks_locally(root: Path) -> bool:
    """Whether runs are kept in a database of the project's own, which nobody else writes to."""
    uri = tracking_uri(root)
    return uri.startswith("sqlite:") and str(root.resolve() / "mlruns") in uri


def configure(root: Path) -> None:
    """Point MLflow at the project's runs and select the experiment, which is made or restored if need be.

    Args:
        root: the project's folder.

    Raises:
        TrackingError: the server or the database cannot be used.
        NoSpaceError: the disk is full.
    """
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    uri, folder = tracking_uri(root), root.resolve() / "mlruns"
    mlflow_server.check(uri)
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it prints what it raises, traceback and all

    local = tracks_locally(root)
    if local:
        folder.mkdir(parents=True, exist_ok=True)
        _own_uris.add(uri)
    if uri != mlflow.get_tracking_uri():
        mlflow.set_tracking_uri(uri)
    with mlflow_server.failures_told(uri):
        if local:
            update_artifact_places(Path(uri.removeprefix("sqlite:///")), EXPERIMENT)
        _select_experiment((folder / ARTIFACTS).as_uri() if local else None)


def _select_experiment(artifacts: str | None) -> None:
    import mlflow

    found = mlflow.get_experiment_by_name(EXPERIMENT)
    if found is None:
        mlflow.create_experiment(EXPERIMENT, artifact_location=artifacts)
    elif found.lifecycle_stage == "deleted":
        mlflow.MlflowClient().restore_experiment(found.experiment_id)
        _logger.warning("MLflow's experiment %r was deleted: restored, with its runs", EXPERIMENT)
    mlflow.set_experiment(EXPERIMENT)


def start(root: Path, name: str, tags: Mapping[str, str]) -> str:
    """Start a run and make it MLflow's active one.

    Args:
        root: the project's folder.
        name: shown in the UI.
        tags: set at once, so that a run that crashes has them.

    Returns:
        The run's id.
    """
    import mlflow

    configure(root)
    nested = mlflow.active_run() is not None
    tags = {"mlflow.source.name": Path(sys.argv[0]).name, **tags}  # else its absolute path, which moves
    return mlflow.start_run(run_name=name, nested=nested, tags=_fit_tags(tags)).info.run_id


def rename(name: str) -> None:
    """Give the active run another name."""
    import mlflow

    if run := mlflow.active_run():
        mlflow.MlflowClient().update_run(run.info.run_id, name=name)


def experiment_id() -> str:
    """The id of the active run's experiment; "" where no run is active."""
    import mlflow

    run = mlflow.active_run()
    return str(run.info.experiment_id) if run else ""


def search(client: "MlflowClient", condition: str, *, deleted: bool = False, most: int | None = None) -> "list[Run]":
    """Find all runs of the experiment that meet a condition, newest first.

    Args:
        client: MLflow's.
        condition: in MLflow's language of filters; "": all.
        deleted: those that were deleted instead of those that are there.
        most: no more than so many; None: all.
    """
    from mlflow.entities import ViewType

    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return []
    found: list[Run] = []
    view, token = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY, None
    while True:
        page = client.search_runs([experiment.experiment_id], condition, view, most or _PAGE, page_token=token)
        found += page
        token = page.token
        if not token or most:
            return found


def log_params(parameters: Mapping[str, str]) -> None:
    """Log parameters; values over MLflow's limit are cut."""
    import mlflow

    for some in _batches({key: value[:_MAX_VALUE] for key, value in parameters.items()}):
        mlflow.log_params(some)


def log_text(text: str, name: str) -> None:
    """Log a text as an artifact of that file name."""
    import mlflow

    mlflow.log_text(text, name)


def log_metrics(metrics: Mapping[str, float]) -> None:
    """Log metrics of the whole run."""
    import mlflow

    for some in _batches(metrics):
        mlflow.log_metrics(some)


def set_tags(tags: Mapping[str, str]) -> None:
    """Set tags on the active run; values over MLflow's limit are cut."""
    import mlflow

    mlflow.set_tags(_fit_tags(tags))


def log_files(files: Iterable[Path]) -> None:
    """Log those of the files and folders that exist as artifacts."""
    import mlflow

    for path in files:
        if path.exists():
            mlflow.log_artifact(str(path))


def log_pictures(pictures: Iterable[tuple[str, bytes]], folder: str) -> None:
    """Log pictures as artifacts under `folder`.

    Args:
        pictures: file name, which may name subfolders, and content.
        folder: of the run's artifacts.
    """
    import mlflow

    with tempfile.TemporaryDirectory() as scratch:
        for name, content in pictures:
            target = Path(scratch, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        mlflow.log_artifacts(scratch, folder)


def finish(status: Status, error: str = "") -> None:
    """End the active run.

    Args:
        status: how it ended.
        error: what went wrong, kept as a tag.
    """
    import mlflow

    if error:
        set_tags({"error": error})
    if status == "FINISHED" and (run := mlflow.active_run()):
        share_artifacts(run)
    mlflow.end_run(status)


def _batches(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    items = iter(values.items())
    while some := dict(islice(items, _BATCH)):
        yield some


def _fit_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {key[:250]: str(value)[:_MAX_TAG] for key, value in tags.items()}
