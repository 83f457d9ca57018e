"""Versions of the data: what the tables held after each run that changed them, in an append-only file.

A snapshot stores no data, only DVC's hashes of the tables: DVC's cache has the bytes, git (with `dvc.lock`) or this
file has the hashes.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cu_pipeline.core.errors import SnapshotError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.json_lines import append_lines, read_lines
from cu_pipeline.tracking import dvc_lock
from cu_pipeline.tracking.catalog_files import CatalogFile
from cu_pipeline.tracking.facts import git_commit
from cu_pipeline.tracking.snapshot_tables import Shelf, count_rows

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
    """Give the path of each table that makes a snapshot, as the catalog has it."""
    return {name: files[name].path for name in TABLES if name in files and files[name].tracked}


def locked_tables(locked: str, paths: Mapping[str, str]) -> dict[str, str]:
    """Give the tables' hashes by dataset from the text of a `dvc.lock`; none where clips were never recorded."""
    outs = dvc_lock.outs(locked)
    tables = {name: outs[path] for name, path in paths.items() if path in outs}
    return tables if "clips" in tables else {}


def read(root: Path) -> list[Snapshot]:
    """Give the recorded snapshots of a project, oldest first.

    Raises:
        SnapshotError: a finished line is damaged.
    """
    path = root / FILE_NAME
    return [_parse(path, number, line) for number, line in enumerate(read_lines(path), 1)]


def unrecorded(root: Path, paths: Mapping[str, str], run: str = "") -> Snapshot | None:
    """Give what `dvc.lock` says now, unless it is the last recorded snapshot.

    Args:
        root: the project's folder.
        paths: dataset -> path of each table.
        run: the MLflow run that has just ended.
    """
    path = root / "dvc.lock"
    tables = locked_tables(path.read_text(encoding="utf-8"), paths) if path.is_file() else {}
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
    """Give a snapshot's content with its id, for programs."""
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
