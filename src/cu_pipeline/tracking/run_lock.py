"""One run at a time writes to a project's files, and one on all machines to what a stage makes."""

import json
import os
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from filelock import FileLock, Timeout

from cu_pipeline.core.actor import actor
from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.databases import shared_database
from cu_pipeline.core.errors import ConfigurationError, NoSpaceError, RunInProgressError

if TYPE_CHECKING:
    from cu_pipeline.tracking.database_lock import DatabaseLock

TIMEOUT_VARIABLE = "CU_PIPELINE_LOCK_TIMEOUT"
_REMEDY: Final = f"Wait until it has ended, or set {TIMEOUT_VARIABLE} to the seconds that this run may wait for it"

HERE: Final[frozenset[str]] = frozenset()
"""Stages of what writes only to files of this folder that no stage makes."""

ERASURE = Path("data/.erasure.json")
"""The journal of an erasure, while it is under way."""


class RunLock:
    """Lets one run at a time write to a project's files. The system frees it when its process ends, however it ends.

    Where people share a database it also holds, across machines, for the stages that the run writes: runs of different
    stages in different clones go on side by side.

    Args:
        root: the project's folder.
        stages: that are written; None: everything.
        freeing: whether it is held to make space: then a disk too full to note who holds it is no obstacle.
    """

    def __init__(self, root: Path, stages: Collection[str] | None = None, *, freeing: bool = False) -> None:
        self._path = root / "data" / ".lock"
        self._owner = root / "data" / ".lock.json"
        self._erasure = root / ERASURE
        self._lock = FileLock(self._path)
        self._stages = stages
        self._freeing = freeing
        self._shared: DatabaseLock | None = None

    def acquire(self, *, erasing: bool = False) -> None:
        """Take the lock, waiting up to `CU_PIPELINE_LOCK_TIMEOUT` seconds (default: not at all).

        Args:
            erasing: an erasure that was interrupted stops everybody but who completes it.

        Raises:
            RunInProgressError: another process holds it; names that process. Or an erasure is half done.
            StoreError: the shared database cannot be used.
            NoSpaceError: the disk is full.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        seconds = _timeout()
        try:
            self._lock.acquire(timeout=seconds)
        except Timeout as error:
            raise RunInProgressError(f"another run holds {self._path}: {self._holder()}. {_REMEDY}") from error
        try:
            if self._erasure.exists() and not erasing:
                raise RunInProgressError("an erasure was interrupted. Remedy: `kedro erase --resume` completes it")
            self._acquire_shared(seconds)
            self._note_holder()
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Give the lock back; without effect when it is not held."""
        if self._shared is not None:
            self._shared.release()
            self._shared = None
        if self._lock.is_locked:
            self._owner.unlink(missing_ok=True)
            self._lock.release()

    def _acquire_shared(self, seconds: float) -> None:
        address = shared_database()
        if address is None or self._stages == HERE:
            return
        from cu_pipeline.tracking.database_lock import DatabaseLock

        shared = DatabaseLock(address, self._stages, actor(), os.getpid())
        shared.acquire(seconds, _REMEDY)
        self._shared = shared

    def _note_holder(self) -> None:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {"pid": os.getpid(), "actor": actor(), "started": started}
        try:
            write_text(self._owner, json.dumps(holder) + "\n")
        except NoSpaceError:
            if not self._freeing:
                raise
            self._owner.unlink(missing_ok=True)

    def _holder(self) -> str:
        try:
            holder = json.loads(self._owner.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return "a process that has just started"
        return f"process {holder['pid']} of {holder['actor']}, started {holder['started']}"


def _timeout() -> float:
    given = os.environ.get(TIMEOUT_VARIABLE) or "0"
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1
    if seconds < 0:
        raise ConfigurationError(f"{TIMEOUT_VARIABLE}={given!r}: give a number of seconds, 0 or more")
    return seconds
