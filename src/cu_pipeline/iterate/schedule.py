"""An iteration again and again at fixed times, each in a process of its own, until a signal ends it."""

import math
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from cu_pipeline.core.errors import ConfigurationError, RunInProgressError

LOCK: Final = Path("data/.iterate_schedule.lock")
LEAST_S: Final = 10.0

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PATIENCE_S: Final = 60.0


def seconds_of(text: str) -> float:
    """Read a length of time.

    Raises:
        ConfigurationError: it is none, or shorter than 10 s.

    >>> seconds_of("90m"), seconds_of("1h"), seconds_of("1.5d")
    (5400.0, 3600.0, 129600.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", text.strip())
    length = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if length < LEAST_S:
        raise ConfigurationError(f"--every {text!r}: give a number and s, m, h or d, at least 10s, such as 30m or 1h")
    return length


def next_time(now: float, every: float) -> float:
    """The next time of a grid that begins at midnight UTC of 1970: it is the same after any restart.

    Args:
        now: seconds since then.
        every: seconds between two times.

    >>> next_time(3600.0, 3600.0), next_time(3601.0, 3600.0)
    (7200.0, 7200.0)
    """
    return (math.floor(now / every) + 1) * every


class Schedule:
    """Runs a command at once and then at the times of a grid; what was missed while it ran is not made up for.

    Args:
        command: of one iteration.
        every: seconds between two times.
        tell: shows a line.
        wait: sleeps that long unless stopped; tells whether it was stopped.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        command: Sequence[str],
        every: float,
        tell: Callable[[str], None],
        wait: Callable[[float], bool] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._command, self._every, self._tell, self._clock = list(command), every, tell, clock
        self._stopped = threading.Event()
        self._wait = wait or self._stopped.wait
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, root: Path) -> None:
        """Go on until stopped.

        Raises:
            RunInProgressError: another schedule goes on in the project.
        """
        lock = FileLock(root / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise RunInProgressError(
                f"another `kedro iterate --every` goes on in {root}: end that one first"
            ) from error
        try:
            while not self._stopped.is_set():
                code = self._once()
                if self._stopped.is_set():
                    break
                upcoming = next_time(self._clock(), self._every)
                self._tell(f"exit code {code}; next: {datetime.fromtimestamp(upcoming, UTC):%Y-%m-%d %H:%M:%S} UTC")
                if self._wait(max(upcoming - self._clock(), 0.0)):
                    break
        finally:
            lock.release()
        self._tell("stopped")

    def stop(self, *_: object) -> None:
        """End it: an iteration that runs is asked to end, and the next start goes on with it."""
        self._stopped.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)

    def _once(self) -> int:
        """Run the command, and give its exit code."""
        self._process = subprocess.Popen(self._command)
        try:
            while True:
                try:
                    return self._process.wait(timeout=1.0)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
