"""The servers that a project uses, and places that it shares with other machines: whether they answer."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from cu_pipeline.core.errors import CuPipelineError, StoreError
from cu_pipeline.core.place_cache import FOLDER, PlaceCache
from cu_pipeline.core.shelf import Shelf
from cu_pipeline.erasure.dvc_remotes import remotes_failing
from cu_pipeline.erasure.project import Project
from cu_pipeline.features.shared_parts import SharedParts

VERSIONED = ("champions", "reports")
"""Stores that are published as versions."""


def features_of(project: Project) -> SharedParts | None:
    """The shared feature store; nothing that an erasure reads is kept as a copy."""
    address = project.stores.features
    return SharedParts(address, _no_cache(project)) if address else None


def shelf_of(project: Project, name: str) -> Shelf | None:
    """Another shared store, by its parameter's name."""
    address = getattr(project.stores, name)
    return Shelf(address, _no_cache(project)) if address else None


def shelves(project: Project) -> Iterator[Shelf]:
    """List all folders in which something is published.

    Raises:
        PlaceError: a place cannot be used.
    """
    if (parts := features_of(project)) is not None:
        for place in parts.features():
            yield parts.shelf(*place)
    for name in (*VERSIONED, "media"):
        if (shelf := shelf_of(project, name)) is not None:
            yield shelf


def reachable(project: Project) -> tuple[Project, list[str]]:
    """Try Label Studio, DVC's remotes and all shared places.

    Returns:
        The project without those that cannot be used, and why these cannot, with the remedy.
    """
    failed: list[str] = []
    left = project
    if project.studio is not None:
        try:
            _try_studio(project.studio)
        except CuPipelineError as error:
            failed.append(str(error))
            left = replace(left, studio=None)
    for name, address in project.stores:
        if isinstance(address, str):
            try:
                Shelf(address, _no_cache(project)).listing()
            except CuPipelineError as error:
                failed.append(f"stores.{name}: {error}")
                left = replace(left, stores=left.stores.model_copy(update={name: None}))
    silent = {name: why for name, why in remotes_failing(project.root).items() if name not in project.remotes_apart}
    failed += silent.values()
    left = replace(left, remotes_apart={**left.remotes_apart, **silent})
    logs = list(_answering(project.prediction_logs, failed))
    if project.database is not None:
        try:
            _try_database(project.database)
        except CuPipelineError as error:
            failed.append(str(error))
            left = replace(left, database=None)
    return replace(left, prediction_logs=tuple(logs)), failed


def demand_reach(project: Project) -> None:
    """Refuse to begin while a shared place cannot be used: it would keep what is to be erased.

    Raises:
        StoreError: one cannot.
    """
    if failed := reachable(project)[1]:
        raise StoreError(
            f"{len(failed)} servers or shared places cannot be reached, and nothing was changed: {'; '.join(failed)}. "
            "Remedy: see that they answer, or take them out of the settings where they hold nothing of this project"
        )


def _try_studio(connected: Callable[[], Any]) -> None:
    for server in connected():
        server.tasks()


def _answering(logs: Iterable[str], failed: list[str]) -> Iterator[str]:
    for log in logs:
        try:
            _try_log(log)
        except CuPipelineError as error:
            failed.append(str(error))
        else:
            yield log


def _try_log(log: str) -> None:
    if "://" in log:
        from cu_pipeline.inference.prediction_log.erasing import count_requests

        count_requests(log, [])


def _try_database(address: str) -> None:
    from cu_pipeline.labeling.people.shared_erasing import is_unfinished

    is_unfinished(address)


def _no_cache(project: Project) -> PlaceCache:
    return PlaceCache(project.root / FOLDER, most=0)
