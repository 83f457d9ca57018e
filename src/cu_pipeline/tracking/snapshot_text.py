"""Snapshots and their differences as text for a terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from cu_pipeline.core.records import Split
from cu_pipeline.tracking.snapshot import Snapshot
from cu_pipeline.tracking.snapshot_diff import KINDS, Rows

_COUNTS: Final = ("clips", *(split.value for split in Split), "labels", "rejects")


def listing(snapshots: Sequence[Snapshot]) -> str:
    """Give a table of snapshots, newest first."""
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
    """Give the number of changes of each kind, from where to where they went, and the first of them.

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
    return [snapshot.id, snapshot.at[:16].replace("T", " "), *counts, snapshot.git[:7] or "-", snapshot.run or "-"]


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
