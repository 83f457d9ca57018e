"""What changed from one version of the data to another."""

from collections.abc import Mapping
from typing import Final

import pandas as pd

from cu_pipeline.tracking.snapshot import Snapshot
from cu_pipeline.tracking.snapshot_tables import Shelf, read_columns

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
    """Give the rows of each kind of change, sorted by clip.

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
