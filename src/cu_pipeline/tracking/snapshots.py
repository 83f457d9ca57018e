"""Versions of the data: what the tables held after each run that changed them, in an append-only file.

A snapshot stores no data, only DVC's hashes of the tables: DVC's cache has the bytes, git (with `dvc.lock`) or this
file has the hashes.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pandas as pd

from cu_pipeline.core.errors import SnapshotError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.json_lines import append_lines, read_lines
from cu_pipeline.core.records import Split
from cu_pipeline.tracking import dvc_lock, yaml_files
from cu_pipeline.tracking.catalog_files import CatalogFile
from cu_pipeline.tracking.dvc_lock import dvc_md5
from cu_pipeline.tracking.facts import ask_git, git_commit

FILE_NAME: Final = "snapshots.jsonl"

TABLES: Final = ("raw_manifest", "clips", "annotations", "duplicates", "labels", "rejects")
"""Datasets whose content makes a snapshot."""


@dataclass(frozen=True)
class Snapshot:
    """A version of the data.

    Attributes:
        tables: dataset -> DVC's hash of its file, as far as the run's stages were ever recorded.
        at: when it was recorded, ISO 8601; "" for a git revision.
        run: the MLflow run after which it was recorded; "" when another program ran the stages.
        git: the commit that was checked out then.
        counts: clips, clips by split, labels, rejects.
    """

    tables: Mapping[str, str]
    at: str = ""
    run: str = ""
    git: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits that follow from the tables' content alone."""
        return json_sha256(dict(self.tables))[:12]


def table_paths(files: Mapping[str, CatalogFile]) -> dict[str, str]:
    """Find the path of each table that makes a snapshot, as the catalog has it."""
    return {name: files[name].path for name in TABLES if name in files and files[name].tracked}


def locked_tables(locked: str, paths: Mapping[str, str], name: str = "dvc.lock") -> dict[str, str]:
    """Read the tables' hashes by dataset from the text of a `dvc.lock`; none where clips were never recorded."""
    outs = dvc_lock.outs(locked, name)
    tables = {name: outs[path] for name, path in paths.items() if path in outs}
    return tables if "clips" in tables else {}


def read(root: Path) -> list[Snapshot]:
    """Read the recorded snapshots of a project, oldest first.

    Raises:
        SnapshotError: a finished line is damaged.
    """
    path = root / FILE_NAME
    return [_parse(path, number, line) for number, line in enumerate(read_lines(path), 1)]


def unrecorded(root: Path, paths: Mapping[str, str], run: str = "") -> Snapshot | None:
    """Read what `dvc.lock` says now, unless it is the last recorded snapshot.

    Args:
        root: the project's folder.
        paths: dataset -> path of each table.
        run: the MLflow run that has just ended.
    """
    path = root / "dvc.lock"
    tables = locked_tables(yaml_files.read_text(path), paths) if path.is_file() else {}
    known = read(root)
    if not tables or (known and known[-1].tables == tables):
        return None
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Snapshot(tables, now, run, git_commit(root) or "", count_rows(Shelf(root, paths), tables))


def record(root: Path, paths: Mapping[str, str], run: str = "") -> Snapshot | None:
    """Add what `dvc.lock` says now to the recorded snapshots, unless it is the last of them.

    Returns:
        The snapshot that was added.
    """
    snapshot = unrecorded(root, paths, run)
    if snapshot is not None:
        append_lines(root / FILE_NAME, _lines([snapshot]))
    return snapshot


def as_json(snapshot: Snapshot) -> dict[str, object]:
    """Write a snapshot's content with its id, for programs."""
    return {"id": snapshot.id, **asdict(snapshot)}


def _lines(snapshots: Iterable[Snapshot]) -> list[str]:
    return [json.dumps(as_json(snapshot)) for snapshot in snapshots]


def _parse(path: Path, number: int, line: bytes) -> Snapshot:
    try:
        content = {key: value for key, value in json.loads(line).items() if key != "id"}
        return Snapshot(**content)
    except (ValueError, TypeError, AttributeError) as error:
        remedy = "remove the line, or take the file from git; the data itself is in DVC's cache"
        raise SnapshotError(f"{path} line {number} is damaged: {remedy}") from error


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
        """Find a file with the content that `md5` stands for.

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


_LATEST: Final = re.compile(r"latest(?:~(\d+))?")
_SHORTEST: Final = 4
_LIST: Final = "`kedro snapshots` lists them"


def resolve(name: str, known: Sequence[Snapshot], root: Path, paths: Mapping[str, str]) -> Snapshot:
    """Find the snapshot that a name means.

    Args:
        name: `latest`, `latest~N`, the beginning of an id, or a git revision whose `dvc.lock` is committed.
        known: snapshots, oldest first.
        root: the project's folder.
        paths: dataset -> path of each table.

    Raises:
        SnapshotError: there is none of that name, or several begin so.
    """
    if match := _LATEST.fullmatch(name):
        return _latest(int(match[1] or 0), known)
    found = {snapshot.id: snapshot for snapshot in known if len(name) >= _SHORTEST and snapshot.id.startswith(name)}
    if len(found) > 1:
        raise SnapshotError(f"{name!r} may mean {' or '.join(sorted(found))}: give more of the id")
    if found:
        return next(iter(found.values()))
    return _committed(name, root, paths)


def _latest(back: int, known: Sequence[Snapshot]) -> Snapshot:
    if back < len(known):
        return known[-1 - back]
    name = f"latest~{back}" if back else "latest"
    if not known:
        raise SnapshotError(f"{name!r}: there is no snapshot yet. `kedro run` records one when it has changed the data")
    raise SnapshotError(f"{name!r}: there are only {len(known)} snapshots, {_LIST}. Oldest: 'latest~{len(known) - 1}'")


def _committed(revision: str, root: Path, paths: Mapping[str, str]) -> Snapshot:
    commit = ask_git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        allowed = "Allowed: the beginning of an id, latest, latest~N, or a git revision"
        raise SnapshotError(f"no snapshot or git revision is named {revision!r}: {_LIST}. {allowed}")
    locked = ask_git(root, "show", f"{commit}:./dvc.lock")
    tables = locked_tables(locked, paths, f"dvc.lock of git revision {revision!r}") if locked is not None else {}
    if not tables:
        lacking = "has no dvc.lock" if locked is None else "has no clips in its dvc.lock"
        raise SnapshotError(f"git revision {revision!r} {lacking}: name one that was committed after a run")
    return Snapshot(tables, git=commit)
