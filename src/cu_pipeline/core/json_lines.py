"""Append-only files of JSON lines, in which a line that a crash left unfinished does not count."""

import os
from collections.abc import Iterable
from pathlib import Path

from cu_pipeline.core.atomic import no_space_told


def read_lines(path: Path) -> list[bytes]:
    """Give the finished lines of a file; none when there is no file."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


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
