"""A worker process: the side that starts it, and the program that it runs.

The program answers one item after the other until its pipe closes. `WorkerProcess` starts it as
`python -m cu_pipeline.compute.worker CONNECTION MEMORY_MB TIMEOUT_S NICENESS`.
"""

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Final

from cu_pipeline.compute.mapper import Outcome
from cu_pipeline.core.errors import BadClipError, ConfigurationError, Reason

START_S: Final = 120.0
"""Seconds in which a worker process must have imported what its function needs."""

GRACE_S: Final = 1.0
"""Seconds in which a worker process whose pipe is closed, or whose item took its time, ends that by itself."""

_FROM_OUTSIDE: Final = {signal.SIGKILL, signal.SIGTERM}
"""Signals that a process gets from others, such as a machine that runs out of memory, and not by its own fault."""

_ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)


class WorkerProcess:
    """A process running this module, connected by a pipe.

    It is a fresh interpreter rather than a fork: no lock or thread of this process lives on in it, and this
    process's main script does not run again.

    Args:
        function: what it applies to items; picklable.
        memory_mb: its address space, in MiB.
        timeout_s: seconds after which it gives an item up, where Python gets a word in; else it must be killed.
        niceness: how far it steps back behind other processes that want the cores, 0 to 19.

    Raises:
        ConfigurationError: it does not start, or cannot load the function.
    """

    def __init__(self, function: Callable[[Any], Any], memory_mb: int, timeout_s: float, niceness: int = 0) -> None:
        self.connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cu_pipeline.compute.worker"]
                + [str(one) for one in (theirs.fileno(), memory_mb, timeout_s, niceness)],
                pass_fds=[theirs.fileno()],
                env=os.environ | _ONE_THREAD | {"PYTHONPATH": os.pathsep.join(map(str, sys.path))},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        try:
            self._send(function)
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    @property
    def was_killed(self) -> bool:
        """Whether it has ended by a signal that others send."""
        code = self._process.poll()
        return code is not None and -code in _FROM_OUTSIDE

    def kill(self) -> None:
        """End it, whatever it is doing; whoever waits for it sees the pipe's end."""
        self._process.kill()

    def close(self) -> str:
        """End it, free its resources and say how it ended."""
        self.connection.close()
        try:
            code = self._process.wait(timeout=GRACE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            code = self._process.wait()
        return f"ended with {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def _send(self, function: Callable[[Any], Any]) -> None:
        remedy = "Define it at the top of an importable module, and give the worker enough memory to import it."
        try:
            self.connection.send(function)
            problem = self.connection.recv() if self.connection.poll(START_S) else f"silent for {START_S:g} s"
        except (EOFError, OSError):
            problem = f"the process {self.close()}"
        except Exception as error:  # pickle raises many types
            problem = f"{type(error).__name__}: {error}"
        if problem:
            raise ConfigurationError(f"worker processes cannot run {function!r}: {problem}. {remedy}")


class _TimeIsUpError(BaseException):
    """Ends the work on an item from within, past all code that catches what goes wrong in it."""


def serve(connection: Connection, memory_mb: int, timeout_s: float) -> None:
    """Receive a function, then items; send each item's outcome. End when the other side closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    try:
        function = connection.recv()
    except EOFError:
        return
    except Exception as error:  # told to the parent, which raises
        connection.send(f"{type(error).__name__}: {error}")
        return
    _limit(memory_mb)
    clock = _Clock(timeout_s)
    connection.send("")
    while True:
        try:
            item = connection.recv()
        except EOFError:
            return
        _send(connection, *_outcome(function, item, memory_mb, clock))


class _Clock:
    """Raises in the main thread when an item has had its time: this saves the process, which takes a second to start.

    Code that never comes back to Python does not hear it, and is killed by the parent.
    """

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._runs = False
        signal.signal(signal.SIGALRM, self._ring)

    def __enter__(self) -> None:
        self._runs = True
        signal.setitimer(signal.ITIMER_REAL, self.timeout_s)

    def __exit__(self, *_: object) -> None:
        self._runs = False  # first: what rings from here on is too late
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _ring(self, *_: object) -> None:
        if self._runs:
            raise _TimeIsUpError


def _send(connection: Connection, outcome: Outcome[Any], worn_out: bool) -> None:
    try:
        connection.send((outcome, worn_out))
    except OSError:
        sys.exit()
    except Exception as error:  # a result that cannot be pickled is its item's fault
        connection.send((_failed(f"{type(error).__name__}: {error}"), worn_out))


def _outcome(function: Callable[[Any], Any], item: Any, memory_mb: int, clock: _Clock) -> tuple[Outcome[Any], bool]:
    """Work on an item; tell its outcome, and whether this process should be replaced."""
    try:
        with clock:
            return Outcome(value=function(item)), False
    except _TimeIsUpError:
        return Outcome(error=BadClipError(Reason.TIMEOUT, f"not done after {clock.timeout_s:g} s")), False
    except BadClipError as error:
        return Outcome(error=error), False
    except Exception as error:  # becomes the item's outcome
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return _failed(f"needs more than {memory_mb} MiB of memory"), True
        return _failed(f"{type(error).__name__}: {error}"), False


def _failed(detail: str) -> Outcome[Any]:
    return Outcome(error=BadClipError(Reason.CRASHED, detail))


def _limit(memory_mb: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 2**20, memory_mb * 2**20))


def _end_with_parent() -> None:
    """End this process within a second of its parent's death, also while foreign code runs."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    os.nice(int(sys.argv[4]))
    serve(Connection(int(sys.argv[1])), int(sys.argv[2]), float(sys.argv[3]))
