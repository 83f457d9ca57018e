"""What a capture store knows of its requests, in SQLite."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.errors import StoreError

INDEX: Final = "captures.db"

_FORMAT: Final = 2
_BUSY_S: Final = 10.0
_ROW_BYTES: Final = 256
"""What a request takes beside its texts, about."""

_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS captures (
        request_id TEXT NOT NULL PRIMARY KEY, time TEXT NOT NULL, content TEXT NOT NULL, clip_id TEXT NOT NULL,
        media_sha256 TEXT NOT NULL, file TEXT NOT NULL, bytes INTEGER NOT NULL, caption TEXT NOT NULL,
        facts TEXT NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS by_time ON captures (time, request_id)",
    "CREATE INDEX IF NOT EXISTS by_content ON captures (content, time)",
    "CREATE INDEX IF NOT EXISTS by_clip ON captures (clip_id)",
    "CREATE INDEX IF NOT EXISTS by_file ON captures (file)",
    "CREATE TABLE IF NOT EXISTS total (id INTEGER PRIMARY KEY CHECK (id = 0), bytes INTEGER NOT NULL)",
    "INSERT OR IGNORE INTO total VALUES (0, 0)",
    f"PRAGMA user_version = {_FORMAT}",
)


@dataclass(frozen=True)
class CaptureRow:
    """One request in the index.

    Attributes:
        request_id: of it.
        time: when it was kept, UTC, in ISO 8601 to the microsecond.
        content: what it was about; equal for equal media with equal captions.
        clip_id: what the content is called.
        media_sha256: of the media; "" without.
        file: where the media lies in the store; "" likewise.
        bytes: of the media.
        caption: that came.
        facts: what else was told, a JSON object.
    """

    request_id: str
    time: str
    content: str
    clip_id: str
    media_sha256: str
    file: str
    bytes: int
    caption: str
    facts: str

    @property
    def text_bytes(self) -> int:
        """What it takes without the media."""
        return _ROW_BYTES + len(self.caption.encode()) + len(self.facts.encode())


_COLUMNS: Final = ", ".join(CaptureRow.__dataclass_fields__)


class CaptureIndex:
    """The requests of a store, by a connection to its database.

    What all of them take is kept beside them, so that no step looks at all requests.

    Args:
        connection: to the database.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __iter__(self) -> Iterator[CaptureRow]:
        """The requests, oldest first, as they are at the beginning."""
        for row in self._connection.execute(f"SELECT {_COLUMNS} FROM captures ORDER BY time, request_id"):  # noqa: S608
            yield CaptureRow(*row)

    def add(self, row: CaptureRow) -> None:
        """Add a request; one that is there stays as it is."""
        shared = not row.file or self.refers_to(row.file)
        marks = ", ".join("?" * len(astuple(row)))
        added = self._connection.execute(f"INSERT OR IGNORE INTO captures ({_COLUMNS}) VALUES ({marks})", astuple(row))  # noqa: S608
        if added.rowcount:
            self._grow(row.text_bytes + (0 if shared else row.bytes))

    def drop(self, request_ids: Iterable[str]) -> set[str]:
        """Delete requests, and give the files that no other one refers to."""
        alone: set[str] = set()
        for name in request_ids:
            found = self._one(f"SELECT {_COLUMNS} FROM captures WHERE request_id = ?", name)  # noqa: S608
            if found is None:
                continue
            row = CaptureRow(*found)
            self._connection.execute("DELETE FROM captures WHERE request_id = ?", (name,))
            last = bool(row.file) and not self.refers_to(row.file)
            self._grow(-row.text_bytes - (row.bytes if last else 0))
            alone |= {row.file} if last else set()
        return alone

    def knows(self, request_id: str) -> bool:
        """Whether a request is kept."""
        return self._one("SELECT 1 FROM captures WHERE request_id = ?", request_id) is not None

    def refers_to(self, file: str) -> bool:
        """Whether a request has this file."""
        return self._one("SELECT 1 FROM captures WHERE file = ? LIMIT 1", file) is not None

    def oldest(self, number: int) -> list[tuple[str, str]]:
        """The ids and times of the oldest requests."""
        first = "SELECT request_id, time FROM captures ORDER BY time, request_id LIMIT ?"
        return self._connection.execute(first, (number,)).fetchall()

    def bytes(self) -> int:
        """What all requests take; media that several have count once."""
        found = self._one("SELECT bytes FROM total")
        return int(found[0]) if found else 0

    def name_of(self, content: str) -> str | None:
        """What a content is called; None where it is new."""
        found = self._one("SELECT clip_id FROM captures WHERE content = ? ORDER BY time LIMIT 1", content)
        return None if found is None else str(found[0])

    def has_name(self, clip_id: str) -> bool:
        """Whether some content is called so."""
        return self._one("SELECT 1 FROM captures WHERE clip_id = ? LIMIT 1", clip_id) is not None

    def empty_log(self) -> None:
        """Let what was deleted go from the database's write-ahead log too, unless somebody reads it now."""
        self._connection.execute("PRAGMA busy_timeout = 0")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _one(self, query: str, *values: str) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
        return found

    def _grow(self, number: int) -> None:
        self._connection.execute("UPDATE total SET bytes = bytes + ?", (number,))


@contextmanager
def writing(folder: Path) -> Iterator[CaptureIndex]:
    """Give the index of a store, locked for others' writing until the block ends; when it raises, nothing is changed.

    Raises:
        StoreError: it is of another version, or cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _opened(folder) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # what was kept outlives the process, if not a power cut
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("BEGIN IMMEDIATE")
        if not _version(connection):
            for statement in _SCHEMA:
                connection.execute(statement)
        yield CaptureIndex(connection)
        connection.execute("COMMIT")


@contextmanager
def reading(folder: Path) -> Iterator[CaptureIndex | None]:
    """Give the index of a store; None where nothing was ever kept.

    Raises:
        StoreError: it is of another version, or cannot be read.
    """
    if not (folder / INDEX).is_file():
        yield None
        return
    with _opened(folder) as connection:
        yield CaptureIndex(connection) if _version(connection) else None


@contextmanager
def _opened(folder: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(folder / INDEX, timeout=_BUSY_S, isolation_level=None)
    try:
        if (version := _version(connection)) not in {0, _FORMAT}:
            raise StoreError(
                f"{folder / INDEX} is of format {version}, and this version knows {_FORMAT}: use the version that "
                "wrote it, or remove the folder"
            )
        yield connection
    finally:
        connection.close()


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
