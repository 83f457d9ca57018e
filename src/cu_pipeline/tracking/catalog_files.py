from dataclasses import dataclass, field
from typing import Any


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
