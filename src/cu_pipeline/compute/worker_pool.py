"""Processes on this machine that work on one item at a time and may crash, hang or run out of memory."""

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from queue import SimpleQueue
from typing import Final, Generic, TypeVar

from cu_pipeline.compute.mapper import Outcome
from cu_pipeline.compute.worker import GRACE_S, WorkerProcess
from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.core.progress import each

S = TypeVar("S")
T = TypeVar("T")

LOOK_AHEAD: Final = 4
"""Items a worker that may be under way or finished before the caller has taken the first of them."""


def usable_cores() -> int:
    """Count the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class LocalMapper:
    """A `Mapper` whose processes run on this machine.

    Workers are fresh interpreters with one thread each, started once for a `map` and given one item at a time. They
    go on while the caller uses a result, a few items ahead, so memory does not grow with the number of items. They
    end with the iteration, however it ends.

    Args:
        workers: processes; 0: one per usable core.
    """

    def __init__(self, workers: int = 0) -> None:
        self._workers = workers

    def map(
        self,
        function: Callable[[S], T],
        items: Iterable[S],
        *,
        timeout_s: float,
        memory_mb: int,
        description: str,
    ) -> Iterator[Outcome[T]]:
        """Apply a function to each item, as `Mapper` says; `memory_mb` is the address space of a process."""
        total = len(items) if isinstance(items, Sized) else None
        if total == 0:
            return
        workers = self._workers or usable_cores()
        size = max(min(workers, total or workers), 1)
        pool = WorkerPool(function, size=size, timeout_s=timeout_s, memory_mb=memory_mb)
        outcomes = in_order(pool.run, size, items, pool.end)
        with closing(pool), closing(outcomes):
            yield from each(outcomes, description, total)


class WorkerPool(Generic[S, T]):
    """Isolated workers that take turns: any number of threads may give them items.

    Args:
        function: picklable.
        size: workers, so items at a time.
        timeout_s: seconds of wall-clock time for one item, from when a worker is free.
        memory_mb: address space of a worker, in MiB.
        niceness: how far the workers step back behind other processes that want the cores, 0 to 19.
        replaced: is called each time that a process takes the place of one that failed.
    """

    def __init__(
        self,
        function: Callable[[S], T],
        *,
        size: int,
        timeout_s: float,
        memory_mb: int,
        niceness: int = 0,
        replaced: Callable[[], None] | None = None,
    ) -> None:
        self._workers: list[IsolatedWorker[S, T]] = [
            IsolatedWorker(function, timeout_s=timeout_s, memory_mb=memory_mb, niceness=niceness, replaced=replaced)
            for _ in range(size)
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


class IsolatedWorker(Generic[S, T]):
    """Applies a function to items in a process that starts with the first and is replaced when it fails.

    An item whose process is killed by others, as a machine does that runs out of memory, is tried once more.

    Args:
        function: picklable.
        timeout_s: seconds of wall-clock time for one item.
        memory_mb: address space of the process, in MiB.
        niceness: how far it steps back behind other processes, 0 to 19.
        replaced: is called each time that a process takes the place of one that failed.
    """

    def __init__(
        self,
        function: Callable[[S], T],
        *,
        timeout_s: float,
        memory_mb: int,
        niceness: int = 0,
        replaced: Callable[[], None] | None = None,
    ) -> None:
        self._start: Callable[[], WorkerProcess] = lambda: WorkerProcess(function, memory_mb, timeout_s, niceness)
        self._timeout_s = timeout_s
        self._replaced = replaced
        self._process: WorkerProcess | None = None
        self._failed = False
        self._lock = threading.Lock()
        self._ended = False

    def run(self, item: S) -> Outcome[T]:
        """Apply the function to an item; what takes the process down becomes the item's outcome.

        Raises:
            ConfigurationError: the process does not start, or cannot load the function.
        """
        outcome = self._tried(item)
        if outcome is None:
            outcome = self._tried(item)
        if outcome is None:
            return Outcome(error=BadClipError(Reason.CRASHED, "its worker process was killed twice"))
        return outcome

    def _tried(self, item: S) -> Outcome[T] | None:
        """Apply the function to an item once; None: its process was killed by others."""
        process = self._started()
        if process is None:
            return Outcome(error=BadClipError(Reason.CRASHED, "the work was ended"))
        try:
            process.connection.send(item)
            if not process.connection.poll(self._timeout_s + GRACE_S):
                process.kill()
                self._retire()
                return Outcome(error=BadClipError(Reason.TIMEOUT, f"not done after {self._timeout_s:g} s"))
            outcome, worn_out = process.connection.recv()
        except (EOFError, OSError):
            how = self._retire()
            if process.was_killed and not self._ended:
                return None
            return Outcome(error=BadClipError(Reason.CRASHED, f"the worker process {how}"))
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
                self._process, self._failed = None, True
            if self._process is None and not self._ended:
                self._process = self._start()
                if self._failed and self._replaced is not None:
                    self._replaced()
                self._failed = False
            return self._process

    def _retire(self) -> str:
        with self._lock:
            process, self._process = self._process, None
            self._failed = process is not None
        return process.close() if process is not None else ""


def in_order(
    run: Callable[[S], Outcome[T]], size: int, items: Iterable[S], end: Callable[[], None] = lambda: None
) -> Generator[Outcome[T], None, None]:
    """Apply something that may be called by several threads to items, a few of them ahead of the caller.

    Args:
        run: gives an item's outcome.
        size: calls of it at a time.
        items: taken one after the other.
        end: is called at the end, however that comes; it makes the calls under way return.
    """
    pending: deque[Future[Outcome[T]]] = deque()
    threads = ThreadPoolExecutor(size, thread_name_prefix="isolated")
    try:
        for item in items:
            pending.append(threads.submit(run, item))
            if len(pending) >= LOOK_AHEAD * size:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
        end()
        threads.shutdown()
