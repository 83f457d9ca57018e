"""Lines on the disk that wait for the database, in segments that each belong to one living process.

A segment is a file `*.jsonl` that its process holds a lock on until it is moved. When the process ends, however it
does, the system lets go of the lock, and whoever gets it next owns the segment. Names carry time and process for
people to read; nothing depends on them.
"""

import fcntl
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Final

PATTERN: Final = "*.jsonl"
SEGMENT_BYTES: Final = 8 * 2**20

_UNNAMED: Final = ".*.new"
_STRAY_S: Final = 60.0


class SpoolFullError(OSError):
    """The spool has reached the size that it may have."""


@dataclass(frozen=True)
class Segment:
    """A file of lines that this process owns.

    Attributes:
        path: the file.
        descriptor: open and locked; closing it gives the segment away.
    """

    path: Path
    descriptor: int

    def lines(self) -> Iterator[bytes]:
        """Read the lines that hold anything; the last one may be torn."""
        os.lseek(self.descriptor, 0, os.SEEK_SET)  # not by its path, which may be gone
        with open(self.descriptor, "rb", closefd=False) as stream:
            yield from (line for line in stream if line.strip())

    def size(self) -> int:
        """Count its bytes."""
        return os.fstat(self.descriptor).st_size

    def remove(self) -> None:
        """Delete the file, and then let go of it."""
        self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Let another process own it."""
        with suppress(OSError):
            os.close(self.descriptor)


class Spool:
    """The segments of one folder, as one process sees them. Threads may append at the same time.

    Args:
        folder: made if need be.
        most_bytes: that the whole folder may hold, other processes' segments included.
        fsync: put every line on the disk.

    Raises:
        OSError: the folder cannot be made.
    """

    def __init__(self, folder: Path, most_bytes: int, *, fsync: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._most, self._fsync = most_bytes, fsync
        self._lock = threading.Lock()
        self._open: Segment | None = None
        self._written = 0
        self._sealed: deque[Segment] = deque()
        self._bytes = 0
        self.measure()
        _remember(self)

    def append(self, line: bytes) -> None:
        """Add a line in one write; when this returns, the process may be killed.

        Raises:
            SpoolFullError: there is no room left for it.
            OSError: the disk does not take it; nothing of it stays.
        """
        with self._lock:
            if self._bytes + len(line) > self._most:
                raise SpoolFullError(f"the spool {self.folder} has reached {self._most:,} bytes")
            if self._open is not None and not os.fstat(self._open.descriptor).st_nlink:
                self._seal()  # somebody has removed the file; what it holds is moved all the same
            if self._open is None:
                self._open, self._written = self._begin(), 0
            self._write(self._open.descriptor, line)
            self._written += len(line)
            self._bytes += len(line)
            if self._written >= SEGMENT_BYTES:
                self._seal()

    def seal(self) -> None:
        """End the segment that is written to, so that it can be moved."""
        with self._lock:
            self._seal()

    def waiting(self) -> list[Segment]:
        """List the segments of this process that are ended, oldest first."""
        with self._lock:
            return list(self._sealed)

    def done(self, segment: Segment) -> None:
        """Remove a segment whose lines are all in the database."""
        size = segment.size()
        segment.remove()
        with self._lock:
            self._sealed.remove(segment)
            self._bytes -= size

    def adopt(self) -> int:
        """Take over the segments of processes that are gone, and count them."""
        with self._lock:
            own = {segment.path for segment in self._sealed} | ({self._open.path} if self._open else set())
        found = [orphan for path in sorted(self.folder.glob(PATTERN)) if path not in own and (orphan := _locked(path))]
        with self._lock:
            self._sealed.extend(found)
        for stray in self.folder.glob(_UNNAMED):
            if _age_s(stray) > _STRAY_S and (left := _locked(stray)):
                left.remove()
        return len(found)

    def measure(self) -> int:
        """Count the bytes of the folder again, since other processes change it too."""
        size = 0
        for path in self.folder.glob(PATTERN):
            with suppress(FileNotFoundError):
                size += path.stat().st_size
        with self._lock:
            self._bytes = size
        return size

    def close(self) -> None:
        """Let go of all segments; what they hold is moved by whoever comes next."""
        with self._lock:
            self._seal()
            while self._sealed:
                self._sealed.popleft().release()

    def forget(self) -> None:
        """Let go, in a forked child, of what stays its parent's."""
        self._lock = threading.Lock()
        for segment in [*self._sealed, *([self._open] if self._open else [])]:
            segment.release()
        self._sealed.clear()
        self._open = None

    def _seal(self) -> None:
        if self._open is not None:
            self._sealed.append(self._open)
            self._open = None

    def _begin(self) -> Segment:
        """Make an empty segment, locked before it has its name."""
        name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}-{token_hex(4)}"
        hidden, path = self.folder / f".{name}.new", self.folder / f"{name}.jsonl"
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            hidden.rename(path)
        except OSError:
            os.close(descriptor)
            hidden.unlink(missing_ok=True)
            raise
        return Segment(path, descriptor)

    def _write(self, descriptor: int, line: bytes) -> None:
        try:
            written = os.write(descriptor, line)
            if written < len(line):
                raise OSError(f"only {written} of {len(line)} bytes of a record were written to {self.folder}")
            if self._fsync:
                os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, self._written)
            self._seal()  # should a part of the line stay nevertheless, it spoils no other
            raise


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _locked(path: Path) -> Segment | None:
    """Open and lock a segment that no living process holds; None where one does, or has removed it meanwhile."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:
            return Segment(path, descriptor)
    except OSError:
        pass
    os.close(descriptor)
    return None


_spools: "weakref.WeakSet[Spool]" = weakref.WeakSet()


def _remember(spool: Spool) -> None:
    """Have forked children let go of a spool: a lock lives as long as any process has its file open."""
    if not _spools:
        os.register_at_fork(after_in_child=_forget_all)
    _spools.add(spool)


def _forget_all() -> None:
    for spool in list(_spools):
        spool.forget()
