"""What changed from one version of the data to another, and what `kedro snapshots` prints."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from cu_pipeline.core.records import Split
from cu_pipeline.tracking import snapshots
from cu_pipeline.tracking.catalog_files import catalog_files
from cu_pipeline.tracking.snapshots import Shelf, Snapshot, read_columns, resolve

Rows = list[dict[str, str]]

KINDS: Final = {
    "added": "clips added",
    "removed": "clips removed",
    "edited": "clips with another video or caption",
    "moved": "clips moved to another split",
    "relabelled": "labels changed",
    "labelled": "labels gained by clips of both",
    "unlabelled": "labels lost by clips of both",
}
"""Kinds of changes, and what each is called."""

_CONTENT: Final = ["media_sha256", "text_sha256"]
_LABEL: Final = ["clip_id", "capability"]


def compare(old: Snapshot, new: Snapshot, shelf: Shelf) -> dict[str, Rows]:
    """Find the rows of each kind of change, sorted by clip.

    Kinds of labels are absent when one of the snapshots has no labels.

    Args:
        old: the version before.
        new: the version after.
        shelf: where their tables lie.

    Raises:
        SnapshotError: a table is no longer at hand.
    """
    clips = [_read(shelf, "clips", one.tables, ["clip_id", "split", *_CONTENT]) for one in (old, new)]
    changes = clip_changes(*clips)
    if "labels" in old.tables and "labels" in new.tables:
        labels = [_read(shelf, "labels", one.tables, [*_LABEL, "label"]) for one in (old, new)]
        stayed = set(clips[0]["clip_id"]) & set(clips[1]["clip_id"])
        changes |= label_changes(*(table[table["clip_id"].isin(stayed)] for table in labels))
    return changes


def clip_changes(old: pd.DataFrame, new: pd.DataFrame) -> dict[str, Rows]:
    """Compare two tables of clips with the columns `clip_id`, `split`, `media_sha256` and `text_sha256`."""
    both = old.merge(new, on="clip_id", how="outer", suffixes=("_old", "_new"), indicator="where", sort=True)
    stayed = both[both["where"] == "both"]
    edited = pd.Series(False, index=stayed.index)
    for column in _CONTENT:
        edited |= stayed[f"{column}_old"] != stayed[f"{column}_new"]
    return {
        "added": _rows(both[both["where"] == "right_only"], {"clip_id": "clip_id", "split_new": "split"}),
        "removed": _rows(both[both["where"] == "left_only"], {"clip_id": "clip_id", "split_old": "split"}),
        "edited": _rows(stayed[edited], {"clip_id": "clip_id"}),
        "moved": _rows(stayed[stayed["split_old"] != stayed["split_new"]], _from_to("split", "clip_id")),
    }


def label_changes(old: pd.DataFrame, new: pd.DataFrame) -> dict[str, Rows]:
    """Compare two tables of labels with the columns `clip_id`, `capability` and `label`."""
    both = old.merge(new, on=_LABEL, how="outer", suffixes=("_old", "_new"), indicator="where", sort=True)
    stayed = both[both["where"] == "both"]
    place = {name: name for name in _LABEL}
    return {
        "relabelled": _rows(stayed[stayed["label_old"] != stayed["label_new"]], _from_to("label", *_LABEL)),
        "labelled": _rows(both[both["where"] == "right_only"], place | {"label_new": "label"}),
        "unlabelled": _rows(both[both["where"] == "left_only"], place | {"label_old": "label"}),
    }


def _from_to(column: str, *place: str) -> dict[str, str]:
    return {name: name for name in place} | {f"{column}_old": "from", f"{column}_new": "to"}


def _rows(table: pd.DataFrame, names: Mapping[str, str]) -> Rows:
    columns = (table[name].tolist() for name in names)
    return [dict(zip(names.values(), values, strict=True)) for values in zip(*columns, strict=True)]


def _read(shelf: Shelf, dataset: str, tables: Mapping[str, str], columns: list[str]) -> pd.DataFrame:
    return read_columns(shelf.find(dataset, tables[dataset]), columns)


_COUNTS: Final = ("clips", *(split.value for split in Split), "labels", "rejects")


def listing(snapshots: Sequence[Snapshot]) -> str:
    """Write a table of snapshots, newest first."""
    head = ["id", "when (UTC)", *_COUNTS, "git", "run"]
    rows = [_cells(snapshot) for snapshot in reversed(snapshots)]
    widths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    numbers = range(2, 2 + len(_COUNTS))
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place in numbers else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [head, *rows]
    )


def difference(changes: Mapping[str, Rows], shown: int) -> str:
    """Write the number of changes of each kind, from where to where they went, and the first of them.

    Args:
        changes: rows by kind.
        shown: how many rows of each kind are named.
    """
    blocks = [_block(title, changes[kind], shown) for kind, title in KINDS.items() if kind in changes]
    if "relabelled" not in changes:
        blocks.append("labels: not compared, since not both versions have labels")
    return "\n".join(blocks)


def _cells(snapshot: Snapshot) -> list[str]:
    counts = [f"{snapshot.counts[name]:,}" if name in snapshot.counts else "-" for name in _COUNTS]
    return [snapshot.id, _moment(snapshot), *counts, snapshot.git[:7] or "-", snapshot.run or "-"]


def _block(title: str, rows: Rows, shown: int) -> str:
    ways = Counter(f"{row['from']} → {row['to']}" for row in rows if "from" in row)
    lines = [f"{title}: {len(rows):,}"]
    lines += [f"  {way}: {number:,}" for way, number in ways.most_common(5)]
    lines += [f"    {_line(row)}" for row in rows[:shown]]
    if shown and len(rows) > shown:
        lines.append(f"    … and {len(rows) - shown:,} more (--ids, --json)")
    return "\n".join(lines)


def _line(row: Mapping[str, str]) -> str:
    words = [row["clip_id"], row.get("capability", "")]
    words.append(f"{row['from']} → {row['to']}" if "from" in row else row.get("split") or row.get("label") or "")
    return "  ".join(word for word in words if word)


def project_tables(root: Path) -> dict[str, str]:
    """Find dataset -> path of each table of a bootstrapped Kedro project, under its base environment."""
    from kedro.framework.project import settings

    loader = settings.CONFIG_LOADER_CLASS(str(root / settings.CONF_SOURCE), **settings.CONFIG_LOADER_ARGS)
    return snapshots.table_paths(catalog_files(loader.base_catalog()))


def list_snapshots(root: Path, paths: dict[str, str], *, as_json: bool = False) -> str:
    """List the project's snapshots as a table or JSON.

    Args:
        root: the project's folder.
        paths: dataset -> path of each table.
        as_json: give JSON.

    Raises:
        SnapshotError: the file of snapshots is damaged.
    """
    known = _known(root, paths)
    if as_json:
        return json.dumps([snapshots.as_json(one) for one in known], indent=2)
    return listing(known) if known else "No snapshot yet: `kedro run` records one when the data changed."


def diff_snapshots(
    root: Path, paths: dict[str, str], old: str, new: str, *, shown: int = 10, as_json: bool = False
) -> str:
    """Tell what changed from one snapshot to another as text or JSON.

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
    return "\n".join([f"{_titled(before)} → {_titled(after)}", difference(changes, shown)])


def _moment(one: Snapshot) -> str:
    return one.at[:16].replace("T", " ")  # noqa: PD008 - no pandas


def _titled(one: Snapshot) -> str:
    return f"{one.id} ({_moment(one) or 'git ' + one.git[:7]})"


def _known(root: Path, paths: dict[str, str]) -> list[Snapshot]:
    """List what is recorded, and what is not yet: DVC or git may have brought another version."""
    current = snapshots.unrecorded(root, paths)
    return [*snapshots.read(root), *([current] if current else [])]
