"""MLflow runs beyond those that are kept, with their artifacts and the models that were registered from them."""

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from cu_pipeline.core.json_lines import read_lines
from cu_pipeline.tracking import logged_models, registry
from cu_pipeline.tracking.abandoned_runs import is_own
from cu_pipeline.tracking.mlflow_run import PARENT, configure, search, tracks_locally
from cu_pipeline.tracking.promotions import Promotion, of_capability
from cu_pipeline.tracking.retention.project import DAY_S, Project, Removable, size_of
from cu_pipeline.tracking.shared_artifacts import artifact_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion


def runs(project: Project) -> Iterator[Removable]:
    """The project's own runs that are neither among the newest nor young; never one with a model that was promoted.

    A registered model without an alias goes with its run unless the ledger of promotions names it, so that the registry
    never names files that are gone.
    """
    client = _client(project)
    registered = _registered(client)
    for gone in _going(project, search(client, ""), registered):
        ids = {run.info.run_id for run in gone}
        models = [found for found in registered if found.run_id in ids]
        logged = logged_models.of_runs(client, ids)
        yield Removable(_name(gone[-1]), _size(gone, logged), partial(_remove, project, gone, logged, models))


def deleted_runs(project: Project) -> Iterator[Removable]:
    """Runs of its own database that were deleted in MLflow, whose files are still there; on a server: `mlflow gc`."""
    if not tracks_locally(project.root):
        return
    client = _client(project)
    kept = {found.run_id for found in _registered(client)}
    for run in search(client, "", deleted=True):
        if run.info.run_id not in kept and _is_old(project, run):
            logged = logged_models.of_runs(client, {run.info.run_id})
            yield Removable(_name(run), _size([run], logged), partial(_erase, [run], logged))


def kept_runs(project: Project) -> "list[Run]":
    """The runs that stay, of this project and of others."""
    client = _client(project)
    found = search(client, "")
    gone = {run.info.run_id for some in _going(project, found, _registered(client)) for run in some}
    return [run for run in found if run.info.run_id not in gone]


def _client(project: Project) -> "MlflowClient":
    configure(project.root)
    import mlflow

    return mlflow.MlflowClient()


def _going(project: Project, found: "Sequence[Run]", registered: "Sequence[ModelVersion]") -> "Iterator[list[Run]]":
    """The runs that may go, each with those nested in it before it."""
    nested: dict[str, list[Run]] = defaultdict(list)
    for run in found:
        nested[run.data.tags.get(PARENT, "")].append(run)
    kept = _holders(project, registered)
    for run in [run for run in found if is_own(run, project.root)][project.options.runs :]:
        gone = [*nested[run.info.run_id], run]
        if not any(one.info.run_id in kept or one.info.status == "RUNNING" for one in gone) and _is_old(project, run):
            yield gone


def _is_old(project: Project, run: "Run") -> bool:
    age_ms = project.now.timestamp() * 1000 - max(run.info.start_time, run.info.end_time or 0)
    return bool(age_ms >= project.options.days * DAY_S * 1000)


def _registered(client: "MlflowClient") -> "list[ModelVersion]":
    """All models of the registry that hold a run's files."""
    found: list[ModelVersion] = []
    token = None
    while True:
        page = client.search_model_versions(page_token=token)
        found += [one for one in page if one.run_id]
        token = page.token
        if not token:
            return found


def _holders(project: Project, registered: "Sequence[ModelVersion]") -> set[str]:
    """The runs whose files a model needs: one with an alias, that was ever promoted, or that is not this platform's."""
    ledger = [Promotion.from_json(json.loads(line)) for line in read_lines(project.place("promotions"))]
    needed = {}
    for capability, model in registry.registered_models().items():
        changes = of_capability(ledger, capability)
        numbers = {number for entry in changes for number in (entry.from_number, entry.to_number)}
        bundles = {bundle for entry in changes for bundle in (entry.before, entry.after) if bundle}
        needed[model.name] = (numbers | set(map(str, model.aliases.values())), bundles)
    return {str(one.run_id) for one in registered if one.name not in needed or _is_needed(one, *needed[one.name])}


def _is_needed(model: "ModelVersion", numbers: set[str | None], bundles: set[str]) -> bool:
    return str(model.version) in numbers or model.tags.get(registry.BUNDLE_VERSION) in bundles


def _name(run: "Run") -> str:
    return f"{run.info.run_name} {run.info.run_id}"


def _size(gone: "list[Run]", logged: list[Any]) -> int:
    places = [*map(artifact_folder, gone), *map(logged_models.local_folder, logged)]
    return size_of([folder for folder in places if folder])


def _remove(project: Project, gone: "list[Run]", logged: list[Any], registered: "list[ModelVersion]") -> None:
    """Remove runs, nested ones first; what a crash leaves is a run that stays, or one that is marked as deleted."""
    client = _client(project)
    for found in registered:
        client.delete_model_version(found.name, found.version)
    local = tracks_locally(project.root)
    for model in logged if not local else []:
        client.delete_logged_model(model.model_id)
    for run in gone:
        client.delete_run(run.info.run_id)
    if local:
        _erase(gone, logged)


def _erase(gone: "list[Run]", logged: list[Any]) -> None:
    """Do what `mlflow gc` does for deleted runs, which would erase deleted experiments of other projects too."""
    from mlflow.tracking._tracking_service.utils import _get_store

    for model in logged:  # first, so that no crash leaves them without a run that would find them again
        logged_models.erase(model)
    for run in gone:
        if folder := artifact_folder(run):
            shutil.rmtree(folder.parent if folder.parent.name == run.info.run_id else folder)
        _get_store()._hard_delete_run(run.info.run_id)
