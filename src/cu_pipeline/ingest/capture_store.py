"""What the service was asked about, kept to be labelled: the media and captions of a sample of requests."""

import json
import os
import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import Field

from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.hashing import unit_interval
from cu_pipeline.core.options import Options

INDEX: Final = "captures.db"
MEDIA: Final = "media"

_FORMAT: Final = 1
_BUSY_S: Final = 10.0
_PRUNED_AT_ONCE: Final = 100
"""Requests that are let go after one that was kept: bounds the work of each."""

_ORPHAN_S: Final = 3600.0
"""Seconds after which a file that no request refers to is taken for one that a killed process left."""

_TABLE: Final = """CREATE TABLE IF NOT EXISTS captures (
    request_id TEXT PRIMARY KEY, time TEXT NOT NULL, media_sha256 TEXT NOT NULL, file TEXT NOT NULL,
    bytes INTEGER NOT NULL, caption TEXT NOT NULL, facts TEXT NOT NULL
) WITHOUT ROWID"""
_INDEXES: Final = (
    "CREATE INDEX IF NOT EXISTS by_time ON captures (time)",
    "CREATE INDEX IF NOT EXISTS by_file ON captures (file)",
)
_COLUMNS: Final = "request_id, time, media_sha256, file, bytes, caption, facts"


class CaptureOptions(Options):
    """How much of what the service is asked about is kept.

    Attributes:
        share: of the requests, chosen by a hash of their ids.
        max_bytes: of all media; beyond it the oldest requests go.
        max_days: after which a request goes.
    """

    share: float = Field(default=1.0, ge=0, le=1)
    max_bytes: int = Field(default=2**31, ge=0)
    max_days: float = Field(default=30, gt=0, allow_inf_nan=False)


@dataclass(frozen=True)
class Captured:
    """One request that was kept.

    Attributes:
        request_id: of it.
        time: when it was kept, UTC.
        media: the file; None where the request had no media.
        media_sha256: of the file; "" likewise.
        bytes: of the file.
        caption: as the client sent it.
        facts: `clip_id`, `creator`, `lang` and the like, as far as the client told them.
    """

    request_id: str
    time: datetime
    media: Path | None
    media_sha256: str
    bytes: int
    caption: str
    facts: dict[str, str]


class CaptureStore:
    """A folder with an index in SQLite and media by their hashes; several processes may use it at a time.

    A file is there before the index tells of it, and goes after it does so no more: a killed process leaves at most a
    file that nothing refers to, which a later one removes.

    Args:
        folder: made when something is kept.
        options: how much is kept.
    """

    def __init__(self, folder: Path, options: CaptureOptions | None = None) -> None:
        self.folder = folder
        self._options = options or CaptureOptions()
        self._swept = 0.0

    def keep(
        self, request_id: str, media: Path | None, media_sha256: str, caption: str, facts: Mapping[str, str]
    ) -> bool:
        """Keep a request, unless the sample leaves it out, and let go what is too old or too much.

        Args:
            request_id: of it; one that is kept already stays as it is.
            media: the file that it brought; it is copied.
            media_sha256: of that file; "" without one.
            caption: that it brought.
            facts: what else it told.

        Returns:
            Whether it is kept.

        Raises:
            StoreError: the folder cannot be written.
        """
        size = 0 if media is None else media.stat().st_size
        if unit_interval(f"capture/{request_id}") >= self._options.share or size > self._options.max_bytes:
            return False
        try:
            file = "" if media is None else self._store(media, media_sha256)
            moment = datetime.now(UTC).isoformat(timespec="microseconds")
            row = (request_id, moment, media_sha256 if media else "", file, size, caption, json.dumps(dict(facts)))
            with self._writing() as index:
                index.execute(f"INSERT OR IGNORE INTO captures ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608
            self._prune()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"the capture store {self.folder} cannot be written: {error}") from error
        return True

    def forget(self, request_id: str) -> bool:
        """Delete what is kept of a request; media that others brought too stay for them.

        Returns:
            Whether there was anything.

        Raises:
            StoreError: the folder cannot be written.
        """
        if not (self.folder / INDEX).is_file():
            return False
        try:
            with self._writing() as index:
                rows = index.execute("SELECT file FROM captures WHERE request_id = ?", (request_id,)).fetchall()
                self._drop(index, [(request_id, file) for (file,) in rows])
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"the capture store {self.folder} cannot be written: {error}") from error
        return bool(rows)

    def entries(self) -> Iterator[Captured]:
        """List what is kept, oldest first, as it is at the beginning; what goes meanwhile may be gone.

        Raises:
            StoreError: the index cannot be read.
        """
        if not (self.folder / INDEX).is_file():
            return
        try:
            with self._opened() as index:
                rows = index.execute(f"SELECT {_COLUMNS} FROM captures ORDER BY time, request_id").fetchall()  # noqa: S608
        except sqlite3.Error as error:
            raise StoreError(f"the capture store {self.folder} cannot be read: {error}") from error
        for request_id, moment, sha256, file, size, caption, facts in rows:
            media = self.folder / MEDIA / file if file else None
            told = datetime.fromisoformat(moment)
            yield Captured(request_id, told, media, sha256, size, caption, json.loads(facts))

    def _store(self, media: Path, sha256: str) -> str:
        """Copy a file to its place by its hash, where it is not there yet, and give that place."""
        file = f"{sha256[:2]}/{sha256}{media.suffix}"
        target = self.folder / MEDIA / file
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.utime(target)  # it is of use: no other process may take it for an orphan now
        except FileNotFoundError:
            temporary = target.with_name(f".{uuid.uuid4().hex}")
            try:
                shutil.copyfile(media, temporary)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
        return file

    def _prune(self) -> None:
        """Let go the oldest requests, as far as they are too old or too much."""
        oldest = (datetime.now(UTC) - timedelta(days=self._options.max_days)).isoformat(timespec="microseconds")
        with self._writing() as index:
            old = "SELECT request_id, file FROM captures WHERE time < ? ORDER BY time LIMIT ?"
            self._drop(index, index.execute(old, (oldest, _PRUNED_AT_ONCE)).fetchall())
            first = "SELECT request_id, file FROM captures WHERE file != '' ORDER BY time LIMIT ?"
            while self._bytes(index) > self._options.max_bytes:
                self._drop(index, index.execute(first, (1,)).fetchall())
        if time.monotonic() - self._swept > _ORPHAN_S or not self._swept:
            self._swept = time.monotonic()
            self._sweep()

    @staticmethod
    def _bytes(index: sqlite3.Connection) -> int:
        (total,) = index.execute("SELECT total(bytes) FROM (SELECT DISTINCT file, bytes FROM captures)").fetchone()
        return int(total)

    def _drop(self, index: sqlite3.Connection, rows: list[tuple[str, str]]) -> None:
        """Delete requests, and the files that no other one brought."""
        index.executemany("DELETE FROM captures WHERE request_id = ?", [(name,) for name, _ in rows])
        for file in {file for _, file in rows if file}:
            if index.execute("SELECT 1 FROM captures WHERE file = ? LIMIT 1", (file,)).fetchone() is None:
                (self.folder / MEDIA / file).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove the files that killed processes left."""
        with self._writing() as index:
            known = {file for (file,) in index.execute("SELECT DISTINCT file FROM captures")}
            for path in (self.folder / MEDIA).rglob("*"):
                alone = path.is_file() and path.relative_to(self.folder / MEDIA).as_posix() not in known
                if alone and time.time() - path.stat().st_mtime > _ORPHAN_S:
                    path.unlink(missing_ok=True)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Give the index, locked for others' writing until the block ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._opened() as index:
            index.execute("PRAGMA journal_mode = WAL")
            index.execute("BEGIN IMMEDIATE")
            for statement in (_TABLE, *_INDEXES):
                index.execute(statement)
            index.execute(f"PRAGMA user_version = {_FORMAT}")
            yield index
            index.execute("COMMIT")

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        index = sqlite3.connect(self.folder / INDEX, timeout=_BUSY_S, isolation_level=None)
        try:
            (version,) = index.execute("PRAGMA user_version").fetchone()
            if version > _FORMAT:
                raise StoreError(
                    f"{self.folder / INDEX} is of format {version}, and this version knows {_FORMAT} at most: update"
                )
            yield index
        finally:
            index.close()
