"""Versions of each capability's bundle in MLflow's registry, under the aliases challenger and champion."""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from cu_pipeline.core.json_lines import read_lines
from cu_pipeline.core.keys import file_key
from cu_pipeline.core.paths import project_root
from cu_pipeline.tracking.mlflow_run import configure

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel


def append_to_ledger(ledger: str, capability: str, before: str | None, after: str, reason: str) -> None:
    """Note a change of champion in an append-only file of JSON lines.

    Args:
        ledger: the file, relative to the project's root.
        capability: whose champion changed.
        before: registry version of the former champion, if there was one.
        after: registry version of the new one.
        reason: for people who read the ledger.
    """
    entry = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "capability": capability,
        "from": before,
        "to": after,
        "reason": reason,
    }
    path = project_root() / ledger
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry, ensure_ascii=False) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


CHALLENGER: Final = "challenger"
CHAMPION: Final = "champion"
LEDGER: Final = "data/06_models/promotions.jsonl"

_PREFIX: Final = "cu-pipeline."
_BUNDLE_VERSION: Final = "bundle_version"
_CAPABILITY: Final = "capability"
_LONGEST_NAME: Final = 200


@dataclass(frozen=True)
class ModelVersion:
    """One registered bundle.

    Attributes:
        version: the registry's number.
        bundle_version: content hash of the bundle.
        run_id: the MLflow run that holds its files.
    """

    version: str
    bundle_version: str
    run_id: str | None


def register(bundle_dir: Path, capability: str, version_tag: str, run_id: str | None) -> str:
    """Register a bundle as the capability's challenger.

    A bundle that is registered already is not stored again: its version gets the alias.

    Args:
        bundle_dir: the folder with the bundle's files.
        capability: its capability.
        version_tag: the bundle's content hash.
        run_id: the run to store the files in; None: the active run, or an own small one when none is active.

    Returns:
        The registry's version number.
    """
    client, name = _client(), model_name(capability)
    version = _find(client, name, version_tag)
    if version is None:
        run, place = _store(bundle_dir, f"bundles/{file_key(capability)}/{version_tag}", run_id)
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name, tags={_CAPABILITY: capability})
        created = client.create_model_version(
            name, source=f"runs:/{run}/{place}", run_id=run, tags={_BUNDLE_VERSION: version_tag}
        )
        version = str(created.version)
    client.set_registered_model_alias(name, CHALLENGER, version)
    return version


def promote(capability: str, registry_version: str, reason: str) -> None:
    """Make a registered version the champion and append the change to the ledger.

    Where it is the champion already, only an entry that a crash kept from the ledger is added.

    Args:
        capability: whose champion changes.
        registry_version: as `register` gave it.
        reason: for people who read the ledger.
    """
    current, version = champion(capability), str(registry_version)
    if current is None or current.version != version:
        _client().set_registered_model_alias(model_name(capability), CHAMPION, version)
    elif _last_promoted(capability) == version:
        return
    before = current.version if current and current.version != version else _last_promoted(capability)
    append_to_ledger(LEDGER, capability, before, version, reason)


def is_taken_back(capability: str, registry_version: str) -> bool:
    """Whether a version was the last to be promoted, and somebody has moved the alias to another one since."""
    current = champion(capability)
    return _last_promoted(capability) == registry_version and (current is None or current.version != registry_version)


def _last_promoted(capability: str) -> str | None:
    lines = read_lines(project_root() / LEDGER)
    changes = [entry for entry in map(json.loads, lines) if entry["capability"] == capability]
    return str(changes[-1]["to"]) if changes else None


def champion(capability: str) -> ModelVersion | None:
    """Find the capability's champion, or None when it has none."""
    found = _by_alias(capability, CHAMPION)
    return None if found is None else _version(found)


def champions() -> dict[str, ModelVersion]:
    """Find the champion of every capability that has one."""
    found = {capability: champion(capability) for capability in sorted(registered_models())}
    return {capability: version for capability, version in found.items() if version}


def registered_models() -> "dict[str, RegisteredModel]":
    """Find MLflow's record of every capability that a bundle was ever registered for."""
    models = _client().search_registered_models(f"name LIKE '{_PREFIX}%'")
    return {model.tags.get(_CAPABILITY) or unquote(model.name.removeprefix(_PREFIX)): model for model in models}


def promoted(capability: str) -> set[str]:
    """Read from the ledger which versions of a capability were ever champion."""
    entries = [json.loads(line) for line in read_lines(project_root() / LEDGER)]
    return {str(entry[end]) for entry in entries for end in ("from", "to") if entry["capability"] == capability}


def fetch(capability: str, alias: str, target: Path) -> Path | None:
    """Put the files of the bundle under an alias into a folder, replacing what it holds.

    Args:
        capability: whose bundle.
        alias: `challenger` or `champion`.
        target: the folder that will hold the bundle's files.

    Returns:
        `target`, or None when no version has the alias.
    """
    import mlflow

    found = _by_alias(capability, alias)
    if found is None:
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        files = Path(mlflow.artifacts.download_artifacts(artifact_uri=found.source, dst_path=scratch))
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


def _find(client: "MlflowClient", name: str, version_tag: str) -> str | None:
    versions = client.search_model_versions(f"name = '{name}'")
    same = [int(found.version) for found in versions if found.tags.get(_BUNDLE_VERSION) == version_tag]
    return str(max(same)) if same else None


def _by_alias(capability: str, alias: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return _client().get_model_version_by_alias(model_name(capability), alias)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise


def _version(found: Any) -> ModelVersion:
    return ModelVersion(str(found.version), found.tags.get(_BUNDLE_VERSION, ""), found.run_id or None)


def _store(bundle_dir: Path, place: str, run_id: str | None) -> tuple[str, str]:
    import mlflow

    active = mlflow.active_run()
    chosen = run_id or (active.info.run_id if active else None)
    if chosen is None:
        with mlflow.start_run(run_name="register") as own:
            chosen = own.info.run_id
    mlflow.MlflowClient().log_artifacts(chosen, str(bundle_dir), place)
    return chosen, place
