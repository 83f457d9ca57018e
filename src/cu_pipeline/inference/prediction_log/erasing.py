"""What the log holds of some clips, and its removal from the database and what waits for it."""

import fcntl
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from cu_pipeline.core.errors import StoreError
from cu_pipeline.inference.prediction_log.database import Database
from cu_pipeline.inference.prediction_log.place import Place
from cu_pipeline.inference.prediction_log.schema import PREDICTIONS, TABLES
from cu_pipeline.inference.prediction_log.sources import opened
from cu_pipeline.inference.prediction_log.spool import PATTERN

_COLUMNS: Final = ("request_id", "clip_id", "creator", "media_sha256", "text_sha256")
_AT_ONCE: Final = 500


def read_clips(place: str | Path) -> list[dict[str, str]]:
    """List the clips that the log tells of: the request's id, the clip's, its creator, and hashes of its content.

    Raises:
        StoreError: the database cannot be read.
    """
    where = Place.of(place)
    rows: list[dict[str, str]] = []
    with opened(where) as database:
        if database is not None:
            with database.reading() as connection:
                found = connection.execute(sa.select(*(PREDICTIONS.c[name] for name in _COLUMNS))).mappings()
                rows += [{name: str(row[name] or "") for name in _COLUMNS} for row in found]
    return rows + [
        {name: str(record.get(name) or "") for name in _COLUMNS}
        for path in _waiting(where)
        for line in path.read_bytes().splitlines()
        if (record := _record(line)) and "labels" in record
    ]


def count_requests(place: str | Path, requests: Collection[str]) -> int:
    """Count the rows of some requests: answers, shadows, feedback.

    Raises:
        StoreError: the database cannot be read.
    """
    with opened(Place.of(place)) as database:
        if database is None:
            return 0
        with database.reading() as connection:
            return sum(
                connection.execute(
                    sa.select(sa.func.count()).select_from(table).where(table.c.request_id.in_(part))
                ).scalar_one()
                for table in TABLES.values()
                for part in _parts(requests)
            )


def erase_requests(place: str | Path, requests: Collection[str]) -> None:
    """Remove all rows of some requests, and have the database give up the bytes that they took.

    SQLite overwrites what it deletes, its write-ahead log is emptied and the file written anew; PostgreSQL writes its
    tables and what it knows of their values anew.

    Raises:
        StoreError: the database cannot be used.
    """
    with opened(Place.of(place)) as database:
        if database is not None:
            _delete(database, requests)


def _delete(database: Database, requests: Collection[str]) -> None:
    engine = database._engine
    with engine.connect().execution_options(immediate=True) as connection, connection.begin():
        for table in TABLES.values():
            for part in _parts(requests):
                connection.execute(sa.delete(table).where(table.c.request_id.in_(part)))
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            plain: Any = connection.connection.driver_connection
            plain.execute("VACUUM")
            plain.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in TABLES.values():
            connection.execute(sa.text(f'VACUUM (FULL, ANALYZE) "{table.name}"'))


def filter_spool(place: str | Path, keeps: Callable[[Sequence[bytes]], list[bytes]]) -> int:
    """Leave lines out of what waits for the database, and count them.

    Args:
        place: of the log.
        keeps: gives the lines that stay.

    Raises:
        StoreError: a running service writes to a segment that has such a line.
    """
    removed = 0
    for path in _waiting(Place.of(place)):
        with path.open("r+b") as stream:
            lines = stream.read().splitlines(keepends=True)
            kept = keeps(lines)
            if len(kept) == len(lines):
                continue
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StoreError(
                    f"a running service writes to {path}: stop it, or wait until the database has the lines, and run "
                    "the command again"
                ) from error
            stream.seek(0)
            stream.write(b"".join(kept))
            stream.truncate()
            removed += len(lines) - len(kept)
    return removed


def _waiting(place: Place) -> list[Path]:
    return sorted(place.spool.glob(PATTERN)) if place.spool.is_dir() else []


def _record(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _parts(requests: Collection[str]) -> Iterator[list[str]]:
    given = iter(sorted(requests))
    while part := list(islice(given, _AT_ONCE)):
        yield part
