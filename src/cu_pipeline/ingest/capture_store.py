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

from cu_pipeline.core.caption_text import clean_caption
from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.hashing import text_sha256, unit_interval
from cu_pipeline.core.options import Options
from cu_pipeline.ingest.capture_index import CaptureIndex, CaptureRow, reading, writing

MEDIA: Final = "media"

_AT_ONCE: Final = 100
"""Requests that go in one transaction: others wait no longer than it takes."""

_ORPHAN_S: Final = 3600.0
"""Seconds after which a file that no request refers to is taken for one that a killed process left."""

_NAME: Final = 16


class CaptureOptions(Options):
    """How much of what the service is asked about is kept.

    Attributes:
        share: of the requests, chosen by a hash of their ids.
        max_bytes: of all media and texts; beyond it the oldest requests go.
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
        clip_id: what its content is called: as the client of the first request about it called it, or by a hash.
        content: equal for requests about equal media with captions that read the same.
        media: the file; None where the request had no media.
        media_sha256: of the file; "" likewise.
        bytes: of the file.
        caption: as the client sent it.
        facts: `clip_id`, `creator`, `lang` and the like, as far as the client told them.
    """

    request_id: str
    time: datetime
    clip_id: str
    content: str
    media: Path | None
    media_sha256: str
    bytes: int
    caption: str
    facts: dict[str, str]


class CaptureStore:
    """A folder with an index in SQLite and media by their hashes; several processes may use it at a time.

    A file is there before the index tells of it, and goes after it does so no more: a killed process leaves at most a
    file that nothing refers to, which a later one removes. Files come and go while the index is locked, so that none
    goes that another process has just found.

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
        if unit_interval(f"capture/{request_id}") >= self._options.share:
            return False
        with self._errors_told("written"):
            row = _row(request_id, media, media_sha256, caption, facts)
            if row.bytes + row.text_bytes > self._options.max_bytes:
                return False
            self._add(row, media, facts.get("clip_id", "").strip())
            while self._let_go():
                pass
            self._sweep()
        return True

    def forget(self, request_id: str) -> bool:
        """Delete what is kept of a request; media that others brought too stay for them.

        Returns:
            Whether there was anything.

        Raises:
            StoreError: the folder cannot be written.
        """
        with self._errors_told("written"):
            with reading(self.folder) as index:
                if index is None or not index.knows(request_id):
                    return False
            with writing(self.folder) as index:
                alone = index.drop([request_id])
            self._remove(alone)
            with reading(self.folder) as index:
                if index is not None:
                    index.empty_log()
        return True

    def entries(self) -> Iterator[Captured]:
        """List what is kept, oldest first, as it is at the beginning; files that go meanwhile may be gone.

        Raises:
            StoreError: the index cannot be read.
        """
        with self._errors_told("read"), reading(self.folder) as index:
            for row in index or ():
                yield Captured(
                    request_id=row.request_id,
                    time=datetime.fromisoformat(row.time),
                    clip_id=row.clip_id,
                    content=row.content,
                    media=self._path(row.file) if row.file else None,
                    media_sha256=row.media_sha256,
                    bytes=row.bytes,
                    caption=row.caption,
                    facts=json.loads(row.facts),
                )

    def _path(self, file: str) -> Path:
        return self.folder / MEDIA / file

    def _add(self, row: CaptureRow, media: Path | None, wanted: str) -> None:
        """Put a request into the index, and its file to its place."""
        temporary = None
        try:
            if media is not None and not self._path(row.file).exists():
                temporary = self._copy(media)
            with writing(self.folder) as index:
                if index.knows(row.request_id):
                    return
                if media is not None and not (target := self._path(row.file)).exists():
                    target.parent.mkdir(exist_ok=True)
                    (temporary or self._copy(media)).replace(target)
                index.add(CaptureRow(**{**vars(row), "clip_id": _name(index, row.content, wanted)}))
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)

    def _copy(self, media: Path) -> Path:
        """Copy a file into the store under a name of its own."""
        folder = self.folder / MEDIA
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{uuid.uuid4().hex}"
        try:
            shutil.copyfile(media, temporary)
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        return temporary

    def _let_go(self) -> bool:
        """Let some of the oldest requests go, where they are too old or too much, and tell whether any were."""
        since = _written(datetime.now(UTC) - timedelta(days=self._options.max_days))
        with reading(self.folder) as index:
            oldest = [] if index is None else index.oldest(1)
            if index is None or not oldest or (oldest[0][1] >= since and index.bytes() <= self._options.max_bytes):
                return False
        alone: set[str] = set()
        with writing(self.folder) as index:
            for name, moment in index.oldest(_AT_ONCE):
                if moment >= since and index.bytes() <= self._options.max_bytes:
                    break
                alone |= index.drop([name])
        self._remove(alone)
        return True

    def _remove(self, files: set[str]) -> None:
        """Delete files, unless a request refers to them again."""
        if files:
            with writing(self.folder) as index:
                for file in files:
                    if not index.refers_to(file):
                        self._path(file).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove the files that killed processes left, at the first call and now and then."""
        if self._swept and time.monotonic() - self._swept < _ORPHAN_S:
            return
        self._swept = time.monotonic()
        media, before = self.folder / MEDIA, time.time() - _ORPHAN_S
        old = {path.relative_to(media).as_posix() for path in media.rglob("*") if _is_older(path, before)}
        with reading(self.folder) as index:
            alone = {file for file in old if index is None or not index.refers_to(file)}
        self._remove(alone)

    @contextmanager
    def _errors_told(self, done: str) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"the capture store {self.folder} cannot be {done}: {error}") from error


def _row(request_id: str, media: Path | None, media_sha256: str, caption: str, facts: Mapping[str, str]) -> CaptureRow:
    return CaptureRow(
        request_id=request_id,
        time=_written(datetime.now(UTC)),
        content=text_sha256(f"{media_sha256 if media else ''}/{text_sha256(clean_caption(caption))}"),
        clip_id="",
        media_sha256=media_sha256 if media else "",
        file=f"{media_sha256[:2]}/{media_sha256}{media.suffix}" if media else "",
        bytes=media.stat().st_size if media else 0,
        caption=_storable(caption),
        facts=_storable(json.dumps(dict(facts), ensure_ascii=False)),
    )


def _name(index: CaptureIndex, content: str, wanted: str) -> str:
    """What a content is called: what it was called before, or as wanted unless another one is, or by itself."""
    short = content[:_NAME]
    wanted = _storable(wanted)
    return index.name_of(content) or (f"{wanted}-{short}" if index.has_name(wanted) else wanted) or f"capture-{short}"


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def _storable(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON may bring and UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode()


def _is_older(path: Path, before: float) -> bool:
    try:
        return path.is_file() and path.stat().st_mtime < before
    except FileNotFoundError:
        return False
