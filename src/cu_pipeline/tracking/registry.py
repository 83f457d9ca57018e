"""Versions of each capability's bundle in MLflow's registry, under the aliases challenger and champion."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from cu_pipeline.core.keys import file_key
from cu_pipeline.core.paths import project_root
from cu_pipeline.tracking import logged_models
from cu_pipeline.tracking.mlflow_run import configure

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel


CHALLENGER: Final = "challenger"
CHAMPION: Final = "champion"

_PREFIX: Final = "cu-pipeline."
BUNDLE_VERSION: Final = "bundle_version"
_CAPABILITY: Final = "capability"
_LONGEST_NAME: Final = 200


@dataclass(frozen=True)
class ModelVersion:
    """One registered bundle.

    Attributes:
        version: the registry's number, which means nothing to another registry.
        bundle_version: content hash of the bundle; "" of what somebody registered by other means.
        run_id: the MLflow run that holds its files.
        source: where these are.
        created: when it was registered.
    """

    version: str
    bundle_version: str
    run_id: str | None
    source: str
    created: datetime


def register(bundle_dir: Path, capability: str, version_tag: str, alias: str = CHALLENGER) -> str:
    """Register a bundle under an alias.

    A bundle that is registered already is not stored again: its version gets the alias. The files go to the active
    MLflow run, or to an own small one when none is active.

    Args:
        bundle_dir: the folder with the bundle's files.
        capability: its capability.
        version_tag: the bundle's content hash.
        alias: `challenger` or `champion`.

    Returns:
        The registry's version number.
    """
    client, name = _client(), model_name(capability)
    known = find(capability, version_tag)
    version = known.version if known else None
    if version is None:
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name, tags={_CAPABILITY: capability})
        created = _create(client, name, capability, bundle_dir, version_tag)
        version = str(created.version)
    client.set_registered_model_alias(name, alias, version)
    return version


def set_champion(capability: str, registry_version: str | None) -> None:
    """Give the alias champion to a registered version, or to none."""
    client, name = _client(), model_name(capability)
    if registry_version is None:
        client.delete_registered_model_alias(name, CHAMPION)
    else:
        client.set_registered_model_alias(name, CHAMPION, registry_version)


def champion(capability: str) -> ModelVersion | None:
    """Find the version that has the capability's alias champion; None where none has."""
    return _found(lambda client, name: client.get_model_version_by_alias(name, CHAMPION), capability)


def find(capability: str, bundle_version: str) -> ModelVersion | None:
    """Find the version that holds a bundle, the latest where several do; None where the registry lacks it."""
    versions = _client().search_model_versions(f"name = '{model_name(capability)}'")
    same = [_version(found) for found in versions if found.tags.get(BUNDLE_VERSION) == bundle_version]
    return max(same, key=lambda found: int(found.version), default=None)


def numbered(capability: str, registry_version: str) -> ModelVersion | None:
    """Find a version by the registry's number."""
    return _found(lambda client, name: client.get_model_version(name, registry_version), capability)


def registered_models() -> "dict[str, RegisteredModel]":
    """Find MLflow's record of every capability that a bundle was ever registered for."""
    models = _client().search_registered_models(f"name LIKE '{_PREFIX}%'")
    return {model.tags.get(_CAPABILITY) or unquote(model.name.removeprefix(_PREFIX)): model for model in models}


def fetch(version: ModelVersion, target: Path) -> Path:
    """Put the files of a registered bundle into a folder, replacing what it holds.

    Args:
        version: of the bundle.
        target: the folder that will hold the bundle's files.

    Returns:
        `target`.
    """
    import mlflow

    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        files = Path(mlflow.artifacts.download_artifacts(artifact_uri=version.source, dst_path=scratch))
        if target.exists():
            shutil.rmtree(target)
        files.rename(target)
    return target


def model_name(capability: str) -> str:
    """Make the registered model's name of a capability: the name as addresses write it, or a key where that is long.

    >>> model_name("topic"), model_name("a/b")
    ('cu-pipeline.topic', 'cu-pipeline.a%2Fb')
    """
    written = quote(capability, safe=" ")
    return _PREFIX + (written if len(written) <= _LONGEST_NAME else f"+{file_key(capability)}")


def _client() -> "MlflowClient":
    configure(project_root())
    import mlflow

    return mlflow.MlflowClient()


def _found(ask: "Callable[[MlflowClient, str], Any]", capability: str) -> ModelVersion | None:
    from mlflow.exceptions import MlflowException

    try:
        return _version(ask(_client(), model_name(capability)))
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise


def _version(found: Any) -> ModelVersion:
    created = datetime.fromtimestamp(found.creation_timestamp / 1000, UTC)
    version, tagged = str(found.version), found.tags.get(BUNDLE_VERSION, "")
    return ModelVersion(version, tagged, found.run_id or None, found.source, created)


def describe(capability: str, bundle_version: str) -> None:
    """Write on a bundle's version what its LoggedModel tells by now; without effect where one of them is missing."""
    known, model = find(capability, bundle_version), logged_models.find(capability, bundle_version)
    if known is None or model is None:
        return
    client, name = _client(), model_name(capability)
    for metric in logged_models.TOLD:
        if metric in model.metrics:
            client.set_model_version_tag(name, known.version, metric, f"{model.metrics[metric]:.4g}")
    client.update_model_version(name, known.version, logged_models.in_words(model))


def _create(client: "MlflowClient", name: str, capability: str, bundle_dir: Path, version_tag: str) -> Any:
    """Make the version of a bundle's LoggedModel; of one that no run logged, its files are stored with a run."""
    tags, model = {BUNDLE_VERSION: version_tag}, logged_models.find(capability, version_tag)
    if model is not None:
        return client.create_model_version(name, model.source, model.run_id, tags)
    run, place = _store(bundle_dir, f"bundles/{file_key(capability)}/{version_tag}")
    return client.create_model_version(name, f"runs:/{run}/{place}", run, tags)


def _store(bundle_dir: Path, place: str) -> tuple[str, str]:
    import mlflow

    active = mlflow.active_run()
    chosen = active.info.run_id if active else None
    if chosen is None:
        with mlflow.start_run(run_name="register") as own:
            chosen = own.info.run_id
    mlflow.MlflowClient().log_artifacts(chosen, str(bundle_dir), place)
    return chosen, place
