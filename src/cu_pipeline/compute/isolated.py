import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from cu_pipeline.compute.mapper import Outcome
from cu_pipeline.compute.process import WorkerProcess
from cu_pipeline.core.errors import BadClipError, Reason

S = TypeVar("S")
T = TypeVar("T")


class IsolatedWorker(Generic[S, T]):
    """Applies a function to items in a process that starts with the first and is replaced when it fails.

    Args:
        function: picklable.
        timeout_s: seconds of wall-clock time for one item.
        memory_mb: address space of the process, in MiB.
    """

    def __init__(self, function: Callable[[S], T], *, timeout_s: float, memory_mb: int) -> None:
        self._function = function
        self._timeout_s = timeout_s
        self._memory_mb = memory_mb
        self._process: WorkerProcess | None = None
        self._lock = threading.Lock()
        self._ended = False

    def run(self, item: S) -> Outcome[T]:
        """Apply the function to an item; what takes the process down becomes the item's outcome.

        Raises:
            ConfigurationError: the process does not start, or cannot load the function.
        """
        process = self._started()
        if process is None:
            return Outcome(error=BadClipError(Reason.CRASHED, "the work was ended"))
        try:
            process.connection.send(item)
            if not process.connection.poll(self._timeout_s):
                process.kill()
                self._retire()
                return Outcome(error=BadClipError(Reason.TIMEOUT, f"not done after {self._timeout_s:g} s"))
            outcome, worn_out = process.connection.recv()
        except (EOFError, OSError):
            return Outcome(error=BadClipError(Reason.CRASHED, f"the worker process {self._retire()}"))
        except BaseException:  # this item's answer must not be taken for the next one's
            process.kill()
            self._retire()
            raise
        if worn_out:
            self._retire()
        return outcome

    def end(self) -> None:
        """Kill the process: a `run` in another thread returns, and no later one starts a process."""
        with self._lock:
            self._ended = True
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """Free what the process holds; no `run` may be under way."""
        self.end()
        self._retire()

    def _started(self) -> WorkerProcess | None:
        with self._lock:
            if self._process is not None and not self._process.alive and not self._ended:
                self._process.close()  # it was killed while it waited, which is no item's fault
                self._process = None
            if self._process is None and not self._ended:
                self._process = WorkerProcess(self._function, self._memory_mb)
            return self._process

    def _retire(self) -> str:
        with self._lock:
            process, self._process = self._process, None
        return process.close() if process is not None else ""
