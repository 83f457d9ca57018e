"""The files of the catalog: what it says of them, and what a killed run left beside them."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cu_pipeline.core.atomic import remove_strays


@dataclass(frozen=True)
class CatalogFile:
    """What the catalog says about a dataset that lies in a file or folder.

    Attributes:
        path: as in the catalog, relative to the project's root unless absolute.
        tracked: whether DVC versions it (`metadata: {dvc: false}` says no).
        persist: whether it grows, so that DVC must not delete it before a stage.
        type: import path of the dataset's class.
        measured: whether `dvc metrics show` prints it (`metadata: {dvc: {metrics: true}}`).
        mlflow: kinds of what is logged of it to MLflow (`metadata: {mlflow: [artifact, …]}`).
        summary: what the summary of a run uses it for (`metadata: {summary: report}`); "": nothing.
    """

    path: str
    tracked: bool
    persist: bool
    type: str
    measured: bool = False
    mlflow: tuple[str, ...] = field(default=(), compare=False)
    summary: str = field(default="", compare=False)


def catalog_files(catalog: dict[str, Any]) -> dict[str, CatalogFile]:
    """Read the datasets of a catalog configuration that have a top-level `filepath`.

    >>> found = catalog_files({"a": {"type": "x.Y", "filepath": "data/a.csv", "metadata": {"mlflow": "artifact"}}})
    >>> found["a"].path, found["a"].tracked, found["a"].mlflow
    ('data/a.csv', True, ('artifact',))
    """
    found = {}
    for name, entry in catalog.items():
        if name.startswith("_") or not isinstance(entry, dict) or not entry.get("filepath"):
            continue
        metadata = entry.get("metadata") or {}
        dvc, logged = metadata.get("dvc", True), metadata.get("mlflow") or ()
        options = dvc if isinstance(dvc, dict) else {}
        found[name] = CatalogFile(
            path=str(entry["filepath"]),
            tracked=dvc is not False and "://" not in str(entry["filepath"]),
            persist=bool(options.get("persist")),
            type=str(entry.get("type", "")),
            measured=bool(options.get("metrics")),
            mlflow=(logged,) if isinstance(logged, str) else tuple(logged),
            summary=str(metadata.get("summary", "")),
        )
    return found


_logger = logging.getLogger(__name__)


def tidy(root: Path, files: Iterable[CatalogFile]) -> None:
    """Remove the temporary files that a killed run left beside the files it wrote.

    Args:
        root: the project's folder.
        files: of the catalog.
    """
    removed = sum(map(remove_strays, sorted(set(folders(root, files)))))
    if removed:
        _logger.info("removed %d unfinished files of a run that was killed", removed)


def folders(root: Path, files: Iterable[CatalogFile]) -> Iterator[Path]:
    """List the folders that runs write files to, some of them more than once."""
    yield root
    yield root / "data"
    for file in files:
        if "://" in file.path:
            continue
        place = root / file.path
        yield place.parent
        if file.tracked and place.is_dir():
            yield from (inner for inner in [place, *place.rglob("*")] if inner.is_dir())
