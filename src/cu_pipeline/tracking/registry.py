"""Versions of each capability's bundle in MLflow's registry, under the aliases challenger and champion."""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.keys import file_key
from cu_pipeline.core.paths import project_root
from cu_pipeline.tracking import logged_models
from cu_pipeline.tracking.mlflow_run import configure, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel

    from cu_pipeline.tracking.logged_models import LoggedModel

CHALLENGER: Final = "challenger"
CHAMPION: Final = "champion"

_PREFIX: Final = "cu-pipeline."
BUNDLE_VERSION: Final = "bundle_version"
FAMILY: Final = "family"
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
        aliases: that it has.
        tags: that it has.
    """

    version: str
    bundle_version: str
    run_id: str | None
    source: str
    created: datetime
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict, compare=False)


def register(bundle_dir: Path, capability: str, version_tag: str, alias: str | None = CHALLENGER) -> str:
    """Register a bundle under an alias, with what its LoggedModel tells of it.

    A bundle that is registered already is not stored again: its version gets the alias. Nor is one that a run has
    logged as a model: the version names its files. Those of another one go to the active MLflow run, or to an own small
    one when none is active.

    Args:
        bundle_dir: the folder with the bundle's files.
        capability: its capability.
        version_tag: the bundle's content hash.
        alias: `challenger` or `champion`; None: it gets none.

    Returns:
        The registry's version number.
    """
    client, name = _client(), model_name(capability)
    known = find(capability, version_tag)
    logged = logged_models.find(capability, version_tag)
    version = known.version if known else _create(client, bundle_dir, capability, version_tag, logged)
    if logged is not None:
        _describe(client, name, version, logged)
    if alias is not None:
        client.set_registered_model_alias(name, alias, version)
    return version


def _create(
    client: "MlflowClient", bundle_dir: Path, capability: str, version_tag: str, logged: "LoggedModel | None"
) -> str:
    name = model_name(capability)
    tags, model = {BUNDLE_VERSION: version_tag}, None
    if logged is None:
        tags |= _family_tag(bundle_dir)
        run, place = _store(bundle_dir, f"bundles/{file_key(capability)}/{version_tag}")
        source = f"runs:/{run}/{place}"
    else:
        run, source, model = logged.run_id, logged.source, logged.files_of
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, tags={_CAPABILITY: capability})
    created = client.create_model_version(name, source=source, run_id=run, tags=tags, model_id=model)
    return str(created.version)


def _family_tag(bundle_dir: Path) -> dict[str, str]:
    told = json.loads((bundle_dir / "bundle.json").read_text(encoding="utf-8"))
    return {FAMILY: told["family"]} if "family" in told else {}


def describe(capability: str, bundle_version: str) -> None:
    """Write on a bundle's version what its LoggedModel tells by now; without effect where one of them is missing."""
    known, logged = find(capability, bundle_version), logged_models.find(capability, bundle_version)
    if known is not None and logged is not None:
        _describe(_client(), model_name(capability), known.version, logged)


def _describe(client: "MlflowClient", name: str, version: str, logged: "LoggedModel") -> None:
    """Write on a version what its LoggedModel tells: family and run in words, and what was measured."""
    tags = {FAMILY: logged.family}
    tags |= {name: f"{logged.metrics[name]:.4g}" for name in logged_models.TOLD if name in logged.metrics}
    present = client.get_model_version(name, version)
    for key in [key for key, value in tags.items() if value and present.tags.get(key) != value]:
        client.set_model_version_tag(name, version, key, tags[key])
    if present.description != (words := logged_models.in_words(logged)):
        client.update_model_version(name, version, words)


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


def all_of(capability: str) -> list[ModelVersion]:
    """List all versions of a capability's bundles, the newest first."""
    client, name = _client(), model_name(capability)
    aliases: dict[str, list[str]] = {}
    for model in client.search_registered_models(f"name = '{name}'"):
        for alias, version in model.aliases.items():
            aliases.setdefault(str(version), []).append(alias)
    found = [_version(one) for one in client.search_model_versions(f"name = '{name}'")]
    newest = sorted(found, key=lambda one: int(one.version), reverse=True)
    return [replace(one, aliases=tuple(sorted(aliases.get(one.version, [])))) for one in newest]


def numbered(capability: str, registry_version: str) -> ModelVersion | None:
    """Find a version by the registry's number."""
    return _found(lambda client, name: client.get_model_version(name, registry_version), capability)


def registered_models() -> "dict[str, RegisteredModel]":
    """Find MLflow's record of every capability that a bundle was ever registered for."""
    models = _client().search_registered_models(f"name LIKE '{_PREFIX}%'")
    return {model.tags.get(_CAPABILITY) or unquote(model.name.removeprefix(_PREFIX)): model for model in models}


def fetch(source: str, target: Path) -> Path:
    """Put the files of a bundle that MLflow keeps into a folder, replacing what it holds.

    Args:
        source: where they are, as a version or a LoggedModel says.
        target: the folder that will hold the bundle's files.

    Returns:
        `target`.

    Raises:
        BundleError: MLflow has no such files, or does not hand them over.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        try:
            files = Path(mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=scratch))
        except MlflowException as error:
            raise BundleError(f"MLflow does not give the files {source}: {error.message.rstrip('.')}") from error
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


_configured: set[str] = set()
"""The tracking URI that was configured last; to do it for each of many small questions would take most of the time."""


def _client() -> "MlflowClient":
    root = project_root()
    import mlflow

    uri = tracking_uri(root)
    if uri not in _configured or mlflow.get_tracking_uri() != uri:
        configure(root)
        _configured.clear()
        _configured.add(uri)
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
    return ModelVersion(version, tagged, found.run_id or None, found.source, created, tags=dict(found.tags))


def _store(bundle_dir: Path, place: str) -> tuple[str, str]:
    import mlflow

    active = mlflow.active_run()
    chosen = active.info.run_id if active else None
    if chosen is None:
        with mlflow.start_run(run_name="register") as own:
            chosen = own.info.run_id
    mlflow.MlflowClient().log_artifacts(chosen, str(bundle_dir), place)
    return chosen, place
