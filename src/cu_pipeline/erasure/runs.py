"""MLflow's runs that an erasure changes: tags on those whose artifacts were, and on those that cannot be repeated."""

import re
from typing import TYPE_CHECKING, Final

from cu_pipeline.erasure.holders import dvc_store
from cu_pipeline.erasure.project import Place, Project, Wanted

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from cu_pipeline.erasure.journal import Journal

TAG: Final = "erased"
UNREPEATABLE: Final = "erased.data"

_ARTIFACT: Final = re.compile(r"mlruns/artifacts/(?:models/)?(m?-?[0-9a-f]{32})(?:/artifacts)?/?([^(]*)")


def artifact_of(place: Place) -> tuple[str, str] | None:
    """The run or logged model whose artifact a place is, and the artifact's name."""
    found = _ARTIFACT.match(place.what)
    return (found[1], found[2].strip() or "bundle") if found else None


def unrepeatable(project: Project, wanted: Wanted) -> list[str]:
    """The runs whose data has a content that goes, by their ids."""
    from cu_pipeline.tracking.mlflow_run import DATA, HIDDEN, search

    gone = dvc_store.contents(project, wanted)
    client = _client(project)
    if not gone or client is None:
        return []
    return [
        run.info.run_id
        for run in search(client, "")
        if any(name.removeprefix(HIDDEN).startswith(DATA) and value in gone for name, value in run.data.tags.items())
    ]


def tag(project: Project, journal: "Journal", now: str) -> None:
    """Say in MLflow which artifacts were changed, and which runs cannot be repeated."""
    client = _client(project) if journal.runs or journal.unrepeatable else None
    if client is None:
        return
    for run, artifacts in journal.runs.items():
        _set(client, run, TAG, f"{now}: {', '.join(sorted(set(artifacts)))}"[:_LONGEST])
    for run in journal.unrepeatable:
        _set(client, run, UNREPEATABLE, f"{now}: data that it read or wrote was erased; it cannot be repeated")


def _set(client: "MlflowClient", run: str, name: str, value: str) -> None:
    """Tag a run or a logged model; one that was deleted, or is of another server, has no reader."""
    from mlflow.exceptions import MlflowException

    try:
        if run.startswith("m-"):
            client.set_logged_model_tags(run, {name: value})
        else:
            client.set_tag(run, name, value)
    except MlflowException as error:
        if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            raise


_LONGEST: Final = 5000


def _client(project: Project) -> "MlflowClient | None":
    """MLflow, where there is any record of this project."""
    from cu_pipeline.tracking.mlflow_run import DATABASE, configure, tracks_locally

    if tracks_locally(project.root) and not (project.root / "mlruns" / DATABASE).is_file():
        return None
    configure(project.root)
    import mlflow

    return mlflow.MlflowClient()
