"""Artifacts of runs and logged models that lie behind an MLflow server, changed through its own store of artifacts."""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from cu_pipeline.core.errors import BundleError
from cu_pipeline.erasure.holders.bundles import told_of, without
from cu_pipeline.erasure.project import Place, Project, Wanted
from cu_pipeline.erasure.rewriting import rewritten
from cu_pipeline.models.bundle import CONFIG, Bundle

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository


def find(project: Project, wanted: Wanted) -> Iterator[Place]:
    """Artifacts elsewhere that tell of an erased clip; those on this machine are files like any other."""
    for name, address in _addresses(project):
        repository = _repository(address)
        paths = list(_files(repository, ""))
        bundles = {PurePosixPath(path).parent for path in paths if PurePosixPath(path).name == CONFIG}
        for path in paths:
            if PurePosixPath(path).parent in bundles:
                continue
            done = rewritten(_content(repository, path), PurePosixPath(path).suffix, wanted.identities, None)
            if done.count:
                what = "removed" if done.content is None else "rewritten"
                yield Place(f"mlruns/artifacts/{name}/artifacts/{path}", done.count, 0, what,
                            partial(_replace, repository, path, done.content))  # fmt: skip
        for folder in sorted(bundles):
            yield from _bundle(repository, name, "" if str(folder) == "." else str(folder), wanted)


def _bundle(repository: "ArtifactRepository", name: str, folder: str, wanted: Wanted) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as here:
        try:
            bundle = Bundle.load(Path(repository.download_artifacts(folder, here)))
        except BundleError:
            return
        if count := told_of(bundle, wanted.identities):
            yield Place(f"mlruns/artifacts/{name}/artifacts/{folder}", count, 0, "rewritten",
                        partial(_put, repository, folder, without(bundle, wanted.identities)))  # fmt: skip


def _put(repository: "ArtifactRepository", folder: str, bundle: Bundle) -> None:
    with tempfile.TemporaryDirectory() as here:
        bundle.save(Path(here))
        for path in sorted(Path(here).iterdir(), key=lambda path: path.name == CONFIG):
            repository.log_artifact(str(path), folder or None)


def _replace(repository: "ArtifactRepository", path: str, content: bytes | None) -> None:
    if content is None:
        repository.delete_artifacts(path)
        return
    place = PurePosixPath(path)
    with tempfile.TemporaryDirectory() as here:
        file = Path(here) / place.name
        file.write_bytes(content)
        repository.log_artifact(str(file), str(place.parent) if place.parent.name else None)


def _content(repository: "ArtifactRepository", path: str) -> bytes:
    with tempfile.TemporaryDirectory() as here:
        return Path(repository.download_artifacts(path, here)).read_bytes()


def _files(repository: "ArtifactRepository", folder: str) -> Iterator[str]:
    for one in repository.list_artifacts(folder or None):
        if one.is_dir:
            yield from _files(repository, one.path)
        else:
            yield one.path


def _repository(address: str) -> "ArtifactRepository":
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(address)


def _addresses(project: Project) -> Iterator[tuple[str, str]]:
    """The project's runs and logged models whose artifacts lie elsewhere: name or id, and address."""
    from cu_pipeline.tracking.mlflow_run import configure, search, tracks_locally

    if tracks_locally(project.root):
        return
    configure(project.root)
    import mlflow

    from cu_pipeline.tracking import logged_models
    from cu_pipeline.tracking.shared_artifacts import local_path

    client = mlflow.MlflowClient()
    runs = [*search(client, ""), *search(client, "", deleted=True)]
    places = {run.info.run_id: run.info.artifact_uri for run in runs}
    places |= {one.model_id: one.artifact_location for one in logged_models.of_runs(client, set(places))}
    for name, address in places.items():
        here = local_path(address)
        if here is None or not here.is_relative_to(project.root):
            yield name, str(address)
