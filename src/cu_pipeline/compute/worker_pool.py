from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

from cu_pipeline.compute.isolated import IsolatedWorker
from cu_pipeline.compute.mapper import Outcome

S = TypeVar("S")
T = TypeVar("T")


class IsolatedCrew(Generic[S, T]):
    """Isolated workers that take turns: any number of threads may give them items.

    Args:
        function: picklable.
        size: workers, so items at a time.
        timeout_s: seconds of wall-clock time for one item, from when a worker is free.
        memory_mb: address space of a worker, in MiB.
    """

    def __init__(self, function: Callable[[S], T], *, size: int, timeout_s: float, memory_mb: int) -> None:
        self._workers: list[IsolatedWorker[S, T]] = [
            IsolatedWorker(function, timeout_s=timeout_s, memory_mb=memory_mb) for _ in range(size)
        ]
        self._idle: SimpleQueue[IsolatedWorker[S, T]] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def run(self, item: S) -> Outcome[T]:
        """Apply the function to an item in the worker that has been idle longest; wait until one is.

        Raises:
            ConfigurationError: the process does not start, or cannot load the function.
        """
        worker = self._idle.get()
        try:
            return worker.run(item)
        finally:
            self._idle.put(worker)

    def end(self) -> None:
        """Kill all workers: every `run` returns, and no later one starts a process."""
        for worker in self._workers:
            worker.end()

    def close(self) -> None:
        """End all workers, wait until every `run` has returned, and free what they hold."""
        self.end()
        for worker in [self._idle.get() for _ in self._workers]:
            worker.close()
            self._idle.put(worker)
