"""Append-only files of JSON lines, in which a line that a crash left unfinished does not count."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from cu_pipeline.core.atomic import no_space_told
from cu_pipeline.core.errors import StoreError


class Keyed(Protocol):
    """A record that is found by a key."""

    @property
    def key(self) -> str:
        """What names the record."""
        ...


Record = TypeVar("Record")
KeyedRecord = TypeVar("KeyedRecord", bound=Keyed)


class LineLog(ABC, Generic[Record]):
    """Records in a file that only grows, one JSON line each.

    A line that a crash left unfinished is ignored, and cut off by the next `append`.

    Args:
        path: the file; it need not exist.
    """

    remedy: ClassVar[str]
    """What to do about a damaged line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @staticmethod
    @abstractmethod
    def encode(record: Record) -> dict[str, Any]:
        """Turn a record into what stands in its line."""

    @staticmethod
    @abstractmethod
    def decode(line: dict[str, Any]) -> Record:
        """Turn what stands in a line into a record; an error of type or value says that it is damaged."""

    def records(self) -> Iterator[Record]:
        """Read the records in order.

        Raises:
            StoreError: a finished line is damaged.
        """
        for number, line in enumerate(_each_line(self._path), 1):
            try:
                record = self.decode(json.loads(line))
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise StoreError(f"{self._path} line {number} is damaged ({error}): {self.remedy}") from error
            yield record

    def append(self, records: Iterable[Record]) -> None:
        """Add records and put them on the disk; none make an empty file where there is none."""
        append_lines(self._path, (json.dumps(self.encode(record)) for record in records))


class KeyedLog(LineLog[KeyedRecord]):
    """Records with keys in a file that only grows; the last one with a key counts."""

    def read(self) -> dict[str, KeyedRecord]:
        """Read the records by key.

        Raises:
            StoreError: a finished line is damaged.
        """
        return {record.key: record for record in self.records()}


def read_lines(path: Path) -> list[bytes]:
    """Read the finished lines of a file; none when there is no file."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def _each_line(path: Path) -> Iterator[bytes]:
    """Read the finished lines that a file has now, one by one."""
    if not path.exists():
        return
    with path.open("rb") as stream:
        left = os.fstat(stream.fileno()).st_size
        for line in stream:
            left -= len(line)
            if left < 0 or not line.endswith(b"\n"):
                return
            yield line[:-1]


def append_lines(path: Path, lines: Iterable[str]) -> None:
    """Cut off an unfinished line, add lines and put them on the disk.

    Raises:
        NoSpaceError: the disk is full; a part of the lines may have been added.
    """
    text = "".join(line + "\n" for line in lines)
    with no_space_told(path):
        _append(path, text)


def _append(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as stream:
        stream.truncate(_finished_bytes(path))
        stream.write(text.encode())
        stream.flush()
        os.fsync(stream.fileno())


def _finished_bytes(path: Path) -> int:
    size = path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(max(size - 1, 0))
        if stream.read(1) in {b"", b"\n"}:
            return size
        stream.seek(0)
        return stream.read().rfind(b"\n") + 1
