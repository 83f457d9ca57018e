"""What `kedro snapshots` prints."""

import json
from pathlib import Path

from cu_pipeline.tracking import snapshot, snapshot_text
from cu_pipeline.tracking.catalog_files import catalog_files
from cu_pipeline.tracking.snapshot import Snapshot
from cu_pipeline.tracking.snapshot_diff import compare
from cu_pipeline.tracking.snapshot_names import resolve
from cu_pipeline.tracking.snapshot_tables import Shelf


def project_tables(root: Path) -> dict[str, str]:
    """Give dataset -> path of each table of a bootstrapped Kedro project, under its base environment."""
    from kedro.framework.project import settings

    loader = settings.CONFIG_LOADER_CLASS(str(root / settings.CONF_SOURCE), **settings.CONFIG_LOADER_ARGS)
    return snapshot.table_paths(catalog_files(loader.base_catalog()))


def list_snapshots(root: Path, paths: dict[str, str], *, as_json: bool = False) -> str:
    """Give the project's snapshots as a table or JSON.

    Args:
        root: the project's folder.
        paths: dataset -> path of each table.
        as_json: give JSON.

    Raises:
        SnapshotError: the file of snapshots is damaged.
    """
    known = _known(root, paths)
    if as_json:
        return json.dumps([snapshot.as_json(one) for one in known], indent=2)
    return snapshot_text.listing(known) if known else "No snapshot yet: `kedro run` records one when the data changed."


def diff_snapshots(
    root: Path, paths: dict[str, str], old: str, new: str, *, shown: int = 10, as_json: bool = False
) -> str:
    """Give what changed from one snapshot to another as text or JSON.

    Args:
        root: the project's folder.
        paths: dataset -> path of each table.
        old: name of the version before.
        new: name of the version after.
        shown: how many changes of each kind the text names.
        as_json: give all changes as JSON.

    Raises:
        SnapshotError: a snapshot is unknown, or a table is no longer at hand.
    """
    known = _known(root, paths)
    before, after = (resolve(name, known, root, paths) for name in (old, new))
    changes = compare(before, after, Shelf(root, paths))
    if as_json:
        return json.dumps({"old": before.id, "new": after.id, **changes}, indent=2, ensure_ascii=False)
    return "\n".join([f"{_titled(before)} → {_titled(after)}", snapshot_text.difference(changes, shown)])


def _titled(one: Snapshot) -> str:
    return f"{one.id} ({one.at[:16].replace('T', ' ') or 'git ' + one.git[:7]})"


def _known(root: Path, paths: dict[str, str]) -> list[Snapshot]:
    """Give what is recorded, and what is not yet: DVC or git may have brought another version."""
    current = snapshot.unrecorded(root, paths)
    return [*snapshot.read(root), *([current] if current else [])]
