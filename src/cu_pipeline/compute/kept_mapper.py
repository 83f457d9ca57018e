import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from cu_pipeline.compute.mapper import Outcome
from cu_pipeline.compute.worker_pool import WorkerPool, in_order

S = TypeVar("S")
T = TypeVar("T")


class KeptMapper:
    """A `Mapper` for many short series of the same kind: its one process waits for the next, and no bar is shown."""

    def __init__(self) -> None:
        self._kind: object = None
        self._pool: WorkerPool[Any, Any] | None = None

    def map(
        self,
        function: Callable[[S], T],
        items: Iterable[S],
        *,
        timeout_s: float,
        memory_mb: int,
        description: str,  # noqa: ARG002 - of the protocol
    ) -> Iterator[Outcome[T]]:
        """Apply a function to each item, as `Mapper` says; the process stays for the next call of the same kind."""
        kind = (pickle.dumps(function), timeout_s, memory_mb)
        if self._pool is None or kind != self._kind:
            self.close()
            self._kind, self._pool = kind, WorkerPool(function, size=1, timeout_s=timeout_s, memory_mb=memory_mb)
        yield from in_order(self._pool.run, 1, items)

    def close(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.close()
        self._pool = None
