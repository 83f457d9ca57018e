from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Final, TypeVar

from tqdm import tqdm

from cu_pipeline.compute.cores import usable_cores
from cu_pipeline.compute.mapper import Outcome
from cu_pipeline.compute.worker_pool import IsolatedCrew

S = TypeVar("S")
T = TypeVar("T")

LOOK_AHEAD: Final = 4
"""Items a worker that may be under way or finished before the caller has taken the first of them."""


def map_isolated(
    function: Callable[[S], T],
    items: Iterable[S],
    *,
    workers: int,
    timeout_s: float,
    memory_mb: int,
    description: str,
) -> Iterator[Outcome[T]]:
    """Apply a function to each item in worker processes that may crash, hang or run out of memory.

    Workers are fresh interpreters with one thread each, started once and given one item at a time; what takes a
    worker down costs that item alone. Workers go on while the caller uses a result, a few items ahead, so memory
    does not grow with the number of items. They end with the iteration, however it ends.

    Args:
        function: picklable, so defined at the top of an importable module, or a `functools.partial` of such.
        items: picklable; taken one after the other as workers need them.
        workers: processes; 0: one per usable core.
        timeout_s: seconds of wall-clock time for one item.
        memory_mb: address space of a worker, in MiB.
        description: what the progress bar says.

    Yields:
        An outcome for each item, in the items' order: the value, or the error that stands for it.

    Raises:
        ConfigurationError: workers cannot start, or `function` cannot be pickled.
    """
    total = len(items) if isinstance(items, Sized) else None
    if total == 0:
        return
    size = max(min(workers or usable_cores(), total or workers or usable_cores()), 1)
    crew = IsolatedCrew(function, size=size, timeout_s=timeout_s, memory_mb=memory_mb)
    outcomes = _map(crew, size, items)
    with closing(outcomes), tqdm(outcomes, desc=description, total=total, unit="clip", disable=None) as bar:
        yield from bar


def _map(crew: IsolatedCrew[S, T], size: int, items: Iterable[S]) -> Generator[Outcome[T], None, None]:
    pending: deque[Future[Outcome[T]]] = deque()
    threads = ThreadPoolExecutor(size, thread_name_prefix="isolated")
    try:
        for item in items:
            pending.append(threads.submit(crew.run, item))
            if len(pending) >= LOOK_AHEAD * size:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
        crew.end()
        threads.shutdown()
        crew.close()
