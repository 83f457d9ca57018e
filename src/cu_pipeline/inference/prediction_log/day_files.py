"""The files by day of earlier versions, `YYYY-MM-DD.jsonl`: read where they are, and taken into the database once."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

PATTERN: Final = "????-??-??.jsonl"
TAKEN: Final = "imported"
"""Folder of the files that are in the database; nothing reads them any more."""


def day_files(folder: Path | None) -> list[Path]:
    """List the files that are not in the database yet, oldest first."""
    return sorted(folder.glob(PATTERN)) if folder else []


def finished(folder: Path | None) -> list[Path]:
    """List those of days that are over: to today's, a service of an earlier version may still append."""
    today = datetime.now(UTC).date()
    return [path for path in day_files(folder) if (day := _day(path)) and day < today]


def set_aside(path: Path) -> None:
    """Put a file that is in the database where it is not read again."""
    (path.parent / TAKEN).mkdir(exist_ok=True)
    path.rename(path.parent / TAKEN / path.name)


def outdated(folder: Path | None, before: date) -> Iterator[Path]:
    """Find the files of days before another, those in the database as well."""
    for path in [*day_files(folder), *day_files(folder / TAKEN if folder else None)]:
        if (day := _day(path)) and day < before:
            yield path


def _day(path: Path) -> date | None:
    try:
        return date.fromisoformat(path.stem)
    except ValueError:
        return None
