from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CatalogFile:
    """What the catalog says about a dataset that lies in a file or folder.

    Attributes:
        path: as in the catalog, relative to the project's root unless absolute.
        tracked: whether DVC versions it (`metadata: {dvc: false}` says no).
        persist: whether it grows, so that DVC must not delete it before a stage.
        type: import path of the dataset's class.
    """

    path: str
    tracked: bool
    persist: bool
    type: str


def catalog_files(catalog: dict[str, Any]) -> dict[str, CatalogFile]:
    """Give the datasets of a catalog configuration that have a top-level `filepath`.

    >>> catalog_files({"a": {"type": "x.Y", "filepath": "data/a.csv", "metadata": {"dvc": {"persist": True}}}})
    {'a': CatalogFile(path='data/a.csv', tracked=True, persist=True, type='x.Y')}
    """
    found = {}
    for name, entry in catalog.items():
        if name.startswith("_") or not isinstance(entry, dict) or not entry.get("filepath"):
            continue
        dvc = (entry.get("metadata") or {}).get("dvc", True)
        found[name] = CatalogFile(
            path=str(entry["filepath"]),
            tracked=dvc is not False and "://" not in str(entry["filepath"]),
            persist=isinstance(dvc, dict) and bool(dvc.get("persist")),
            type=str(entry.get("type", "")),
        )
    return found
