"""MLflow's LoggedModels: each bundle of each run, with its files and what was measured of it, promoted or not."""

import filecmp
import json
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cu_pipeline.core.keys import registry_key
from cu_pipeline.core.paths import project_root
from cu_pipeline.tracking.mlflow_run import EXPERIMENT, configure
from cu_pipeline.tracking.shared_artifacts import link, local_path

if TYPE_CHECKING:
    from mlflow import MlflowClient

CAPABILITY: Final = "capability"
BUNDLE_VERSION: Final = "bundle_version"
FAMILY: Final = "family"

_FILES: Final = "files_of"
"""Tag of a model whose files are those of another, which a server keeps: the other's id."""

TOLD: Final = ("accuracy", "macro_f1", "ece", "log_loss")
"""The metrics that a registered version is tagged with: of the test split."""

_VERSIONS: Final = "mlflow.modelVersions"
"""MLflow's tag of the registered versions that a model is."""

_PAGE: Final = 100


@dataclass(frozen=True)
class LoggedModel:
    """One bundle that a run trained.

    Attributes:
        model_id: MLflow's.
        capability: that it recognises.
        bundle_version: content hash of the bundle.
        family: of the model.
        run_id: the run that trained it.
        run_name: the name of that run; "" where it was deleted.
        created: when it was logged.
        metrics: name -> value, as last measured; `accuracy` is the test split's.
        source: address of its files.
    """

    model_id: str
    capability: str
    bundle_version: str
    family: str
    run_id: str
    run_name: str
    created: datetime
    metrics: dict[str, float] = field(default_factory=dict)
    source: str = ""

    @property
    def files_of(self) -> str:
        """The model whose files these are: this one, or an earlier one of the same content; servers ask for it."""
        return self.source.rpartition("/")[2]


def create(bundle_dir: Path, capability: str, bundle_version: str, family: str, features: list[str]) -> str:
    """Log a bundle as a model that the active run has made.

    Files that an earlier model of the same version has are not stored again: on this machine they are linked, and on a
    server the model names the earlier one.

    Args:
        bundle_dir: the folder with the bundle's files.
        capability: its capability.
        bundle_version: its content hash.
        family: of the model.
        features: that it reads.

    Returns:
        The model's id.
    """
    client = _client()
    import mlflow
    from mlflow.entities import LoggedModelOutput

    active: Any = mlflow.active_run()
    same = _of_version(client, capability, bundle_version)
    made = client.create_logged_model(
        active.info.experiment_id,
        name=model_key(capability),
        source_run_id=active.info.run_id,
        tags={CAPABILITY: capability, BUNDLE_VERSION: bundle_version, FAMILY: family},
        params={"family": family, "features": ", ".join(features)},
        model_type=family,
    )
    _store(client, bundle_dir, made, same[0] if same else None)
    client.finalize_logged_model(made.model_id, "READY")
    client.log_outputs(active.info.run_id, [LoggedModelOutput(made.model_id, 0)])
    return str(made.model_id)


def find(capability: str, bundle_version: str) -> LoggedModel | None:
    """Find the newest model that is a bundle; None where no run logged it."""
    client = _client()
    return next((_read(client, found) for found in _of_version(client, capability, bundle_version)), None)


def all_of(capability: str) -> list[LoggedModel]:
    """List the models of a capability, the newest first."""
    client = _client()
    return [_read(client, found) for found in _ready(client, f"name = '{model_key(capability)}'", capability)]


def name_version(model_id: str, registered: str, version: str) -> None:
    """Let MLflow's UI show beside a model the version of the registry that it is.

    Args:
        model_id: of the model.
        registered: name of the registered model.
        version: its number.
    """
    text = json.dumps([{"name": registered, "version": version}])
    _client().set_logged_model_tags(model_id, {_VERSIONS: text})


def in_words(model: LoggedModel) -> str:
    """Tell what a model is: its family, the run that made it, and its accuracy on the test split."""
    numbers = model.metrics
    text = f"{model.family}, trained by the run {model.run_name or model.run_id}"
    if "accuracy" not in numbers:
        return text
    ends = [numbers[name] for name in ("accuracy_low", "accuracy_high") if name in numbers]
    interval = f" ({ends[0]:.3f} – {ends[1]:.3f})" if len(ends) == 2 else ""
    return f"{text}; test accuracy {numbers['accuracy']:.3f}{interval}"


def of_runs(client: "MlflowClient", runs: set[str]) -> list[Any]:
    """MLflow's own records of the models that runs have made, but for those whose files models of other runs need."""
    found = _search(client, None)
    needed = {one.tags.get(_FILES) for one in found if one.source_run_id not in runs}
    return [one for one in found if one.source_run_id in runs and one.model_id not in needed]


def local_folder(found: Any) -> Path | None:
    """The folder of a model's files on this machine; None where they lie on a server, or there are none."""
    folder = local_path(found.artifact_location)
    return folder if folder and folder.is_dir() else None


def erase(found: Any) -> None:
    """Remove a model of this machine's database with its files."""
    from mlflow.tracking._tracking_service.utils import _get_store

    if folder := local_folder(found):
        shutil.rmtree(folder.parent if folder.parent.name == found.model_id else folder)
    _get_store()._hard_delete_logged_model(found.model_id)


def model_key(capability: str) -> str:
    """Make the name that MLflow allows for the models of a capability.

    >>> model_key("topic"), model_key("v1.5")
    ('topic', 'v1-5')
    """
    return registry_key(capability).replace(".", "-")


def _client() -> "MlflowClient":
    configure(project_root())
    import mlflow

    return mlflow.MlflowClient()


def _of_version(client: "MlflowClient", capability: str, bundle_version: str) -> list[Any]:
    return _ready(client, f"tags.{BUNDLE_VERSION} = '{bundle_version}'", capability)


def _ready(client: "MlflowClient", condition: str, capability: str) -> list[Any]:
    """Find models of a capability whose files are stored, the newest first."""
    found = _search(client, condition)
    return [one for one in found if str(one.status) == "READY" and one.tags.get(CAPABILITY) == capability]


def _search(client: "MlflowClient", condition: str | None) -> list[Any]:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return []
    newest: list[dict[str, Any]] = [{"field_name": "creation_timestamp", "ascending": False}]
    found: list[Any] = []
    token = None
    while True:
        page = client.search_logged_models([experiment.experiment_id], condition, None, _PAGE, newest, token)
        found += page
        token = page.token
        if not token:
            return found


def _read(client: "MlflowClient", found: Any) -> LoggedModel:
    metrics: dict[str, float] = {}
    for metric in sorted(found.metrics or [], key=lambda one: one.timestamp):
        metrics[metric.key] = metric.value
    return LoggedModel(
        found.model_id,
        found.tags[CAPABILITY],
        found.tags.get(BUNDLE_VERSION, ""),
        found.tags.get(FAMILY, ""),
        found.source_run_id or "",
        _run_name(client, found.source_run_id),
        datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        metrics,
        f"models:/{found.tags.get(_FILES, found.model_id)}",
    )


def _run_name(client: "MlflowClient", run_id: str | None) -> str:
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_run(run_id).info.run_name) if run_id else ""
    except MlflowException:
        return ""


def _store(client: "MlflowClient", bundle_dir: Path, made: Any, same: Any) -> None:
    """Store a model's files, or name the model that has them."""
    target = local_path(made.artifact_location)
    if target is None:
        if same is None:
            client.log_model_artifacts(made.model_id, str(bundle_dir))
        else:
            client.set_logged_model_tags(made.model_id, {_FILES: same.tags.get(_FILES, same.model_id)})
        return
    twin = local_folder(same) if same else None
    for path in sorted(found for found in bundle_dir.rglob("*") if found.is_file()):
        name = path.relative_to(bundle_dir)
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if twin is None or not _same(path, twin / name) or not link(twin / name, target / name):
            shutil.copyfile(path, target / name)


def _same(path: Path, twin: Path) -> bool:
    return twin.is_file() and filecmp.cmp(path, twin, shallow=False)
