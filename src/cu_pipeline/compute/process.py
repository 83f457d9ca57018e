import os
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import Pipe
from typing import Any, Final

from cu_pipeline.core.errors import ConfigurationError

START_S: Final = 120.0
"""Seconds in which a worker process must have imported what its function needs."""

GRACE_S: Final = 1.0
"""Seconds in which a worker process whose pipe is closed ends by itself."""

_ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)


class WorkerProcess:
    """A process running `worker.py`, connected by a pipe.

    It is a fresh interpreter rather than a fork: no lock or thread of this process lives on in it, and this
    process's main script does not run again.

    Args:
        function: what it applies to items; picklable.
        memory_mb: its address space, in MiB.

    Raises:
        ConfigurationError: it does not start, or cannot load the function.
    """

    def __init__(self, function: Callable[[Any], Any], memory_mb: int) -> None:
        self.connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cu_pipeline.compute.worker", str(theirs.fileno()), str(memory_mb)],
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
