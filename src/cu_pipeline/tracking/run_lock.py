import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.errors import ConfigurationError, RunInProgressError

TIMEOUT_VARIABLE = "CU_PIPELINE_LOCK_TIMEOUT"

ERASURE = Path("data/.erasure.json")
"""The journal of an erasure, while it is under way."""


class RunLock:
    """Lets one run at a time write to a project. The system frees it when its process ends, however it ends.

    Args:
        root: the project's folder.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / "data" / ".lock"
        self._owner = root / "data" / ".lock.json"
        self._erasure = root / ERASURE
        self._lock = FileLock(self._path)

    def acquire(self, *, erasing: bool = False) -> None:
        """Take the lock, waiting up to `CU_PIPELINE_LOCK_TIMEOUT` seconds (default: not at all).

        Args:
            erasing: an erasure that was interrupted stops everybody but who completes it.

        Raises:
            RunInProgressError: another process holds it; names that process. Or an erasure is half done.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=_timeout())
        except Timeout as error:
            raise RunInProgressError(
                f"another run holds {self._path}: {self._holder()}. Wait until it has ended, or set "
                f"{TIMEOUT_VARIABLE} to the seconds that this run may wait for it"
            ) from error
        if self._erasure.exists() and not erasing:
            self._lock.release()
            raise RunInProgressError("an erasure was interrupted. Remedy: `kedro erase --resume` completes it")
        started = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "started": started}
        write_text(self._owner, json.dumps(holder) + "\n")

    def release(self) -> None:
        """Give the lock back; without effect when it is not held."""
        if self._lock.is_locked:
            self._owner.unlink(missing_ok=True)
            self._lock.release()

    def _holder(self) -> str:
        try:
            holder = json.loads(self._owner.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return "a process that has just started"
        return f"process {holder['pid']} on {holder['host']}, started {holder['started']}"


def _timeout() -> float:
    given = os.environ.get(TIMEOUT_VARIABLE) or "0"
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1
    if seconds < 0:
        raise ConfigurationError(f"{TIMEOUT_VARIABLE}={given!r}: give a number of seconds, 0 or more")
    return seconds
