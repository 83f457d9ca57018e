"""The tables of a snapshot, found by their hashes."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.core.errors import SnapshotError
from cu_pipeline.core.records import Split
from cu_pipeline.tracking.dvc_hash import dvc_md5


class Shelf:
    """Where the files of any version lie: in the working folder when they are current, else in DVC's cache.

    Args:
        root: the project's folder.
        paths: dataset -> path of each table, relative to `root`.
    """

    def __init__(self, root: Path, paths: Mapping[str, str]) -> None:
        self._root = root
        self._paths = paths
        self._current: dict[str, str | None] = {}

    def find(self, dataset: str, md5: str) -> Path:
        """Give a file with the content that `md5` stands for.

        Raises:
            SnapshotError: it is neither in the working folder nor in DVC's cache.
        """
        path = self._root / self._paths[dataset]
        if dataset not in self._current:
            self._current[dataset] = dvc_md5(path)
        if self._current[dataset] == md5:
            return path
        cached = Path(self._cache.oid_to_path(md5)) if self._cache is not None else None
        if cached is None or not cached.is_file():
            remedy = "if it was pushed, check out a git revision that has it and `dvc pull`"
            raise SnapshotError(f"the table {dataset!r} with MD5 {md5} is no longer in DVC's cache: {remedy}")
        return cached

    @cached_property
    def _cache(self) -> Any:
        from dvc.exceptions import NotDvcRepoError
        from dvc.repo import Repo

        try:
            return Repo(str(self._root)).cache.local
        except NotDvcRepoError:
            return None


def count_rows(shelf: Shelf, tables: Mapping[str, str]) -> dict[str, int]:
    """Count clips, clips by split, labels and rejects; a table that is not at hand is left out.

    Args:
        shelf: where the tables lie.
        tables: dataset -> hash.
    """
    counts: dict[str, int] = {}
    for dataset, column in (("clips", "split"), ("labels", "clip_id"), ("rejects", "reason")):
        if dataset not in tables:
            continue
        try:
            values = read_columns(shelf.find(dataset, tables[dataset]), [column])[column]
        except SnapshotError:
            continue
        counts[dataset] = len(values)
        if dataset == "clips":
            sizes = values.value_counts()
            counts |= {split.value: int(sizes.get(split.value, 0)) for split in Split}
    return counts


def read_columns(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read columns of a table, Parquet or CSV by its first bytes: files of DVC's cache have no suffix."""
    with path.open("rb") as stream:
        parquet = stream.read(4) == b"PAR1"
    if parquet:
        return pd.read_parquet(path, columns=columns)
    return pd.read_csv(path, usecols=columns, dtype=str, keep_default_na=False)[columns]
