"""Work on clips on a Ray cluster: actors, each of which holds a process that may crash, hang or run out of memory."""

import logging
import pickle
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import closing
from queue import SimpleQueue
from types import ModuleType
from typing import Any, Final, Generic, TypeVar

import pyarrow as pa

from cu_pipeline.compute.mapper import Outcome
from cu_pipeline.compute.ray_cluster import connected, cores, gpus
from cu_pipeline.compute.worker_pool import IsolatedWorker, in_order
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import BadClipError, ConfigurationError, CuPipelineError, Reason
from cu_pipeline.core.progress import each

S = TypeVar("S")
T = TypeVar("T")

TRIES: Final = 4
"""Workers that an item may lose, one after the other, before it is taken for the cause."""

_JOB_TRIES: Final = 20
"""Times that a job is sent anew: Ray counts each message that a lost machine does not answer."""

LOST: Final = "ray_workers_lost"
"""Counts the workers that were lost, alone or with their machine, each of which cost an item another try."""

_log = logging.getLogger(__name__)


class RayMapper:
    """A `Mapper` and `Spreader` whose processes run on a Ray cluster.

    Each worker is an actor on one core. What maps keeps a killable process inside it, so that what crashes or hangs
    costs that item alone; a worker that is lost itself, with its machine or without, costs its item another try on
    another one. Only items and results travel.

    Args:
        address: as `ray_cluster.connected` takes it.
        workers: actors; 0: one for each core of the cluster.
    """

    def __init__(self, address: str | None = None, workers: int = 0) -> None:
        self._address = address
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
        ray = connected(self._address, self._workers)
        size = self._size(ray, total)
        kind = ray.remote(IsolatedWorker).options(**self._demand(memory_mb), max_restarts=0)
        pool: _Actors[S, T] = _Actors(
            ray, lambda: kind.remote(function, timeout_s=timeout_s, memory_mb=memory_mb), size
        )
        with closing(in_order(pool.run, size, items, pool.end)) as outcomes:
            yield from each(outcomes, description, total)

    def spread(
        self,
        make: Callable[[], Callable[[S], T]],
        jobs: Sequence[S],
        *,
        memory_mb: int,
        on_gpu: bool = False,
    ) -> Iterator[T]:
        """Do jobs by a fixed pool of actors of Ray Data, as `Spreader` says; a job is a block of one row."""
        if not jobs:
            return
        ray = connected(self._address, self._workers)
        from ray import data
        from ray.exceptions import RayError, RayTaskError

        size, demand = self._size(ray, len(jobs)), self._demand(memory_mb)
        if on_gpu and gpus(ray):
            size, demand = min(size, gpus(ray)), demand | {"num_gpus": 1}
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        data.DataContext.get_current().enable_progress_bars = False
        rows = data.from_items([{"job": pickle.dumps(job)} for job in jobs], override_num_blocks=len(jobs))
        done = rows.map_batches(
            _Doer, fn_constructor_args=(pickle.dumps(make),), batch_size=1, batch_format="pyarrow",
            compute=data.ActorPoolStrategy(size=size), max_task_retries=_JOB_TRIES, **demand,
        )  # fmt: skip
        try:
            for row in done.iter_rows():
                result = pickle.loads(row["result"])  # noqa: S301 - from an actor of this process
                if isinstance(result, CuPipelineError):
                    raise result
                yield result
        except RayTaskError:  # a fault of what does the jobs, with its traceback
            raise
        except RayError as error:
            raise _lost_all(error) from error

    def _size(self, ray: ModuleType, total: int | None) -> int:
        workers = self._workers or cores(ray)
        return max(min(workers, total or workers), 1)

    def _demand(self, memory_mb: int) -> dict[str, float]:
        """What a worker takes of a machine that others may use too; a cluster started here is this process's alone."""
        demand: dict[str, float] = {"num_cpus": 1}
        return demand if self._address is None else demand | {"memory": memory_mb * 2**20}


class _Doer:
    """What an actor of Ray Data runs: made once, it does one job after the other."""

    def __init__(self, make: bytes) -> None:
        self._do = pickle.loads(make)()  # noqa: S301 - from the process that started this one

    def __call__(self, rows: Any) -> Any:
        (job,) = rows.column("job").to_pylist()
        try:
            result = self._do(pickle.loads(job))  # noqa: S301
        except CuPipelineError as error:  # told in words by the process that asked
            result = error
        return pa.table({"result": pa.array([pickle.dumps(result)], pa.binary())})


class _Actors(Generic[S, T]):
    """Actors that take turns, those that have started: any number of threads may give them items.

    Args:
        ray: the module.
        start: starts an actor with the method `run`.
        size: actors, so items at a time.
    """

    def __init__(self, ray: ModuleType, start: Callable[[], Any], size: int) -> None:
        self._ray, self._start = ray, start
        self._ready: SimpleQueue[Any] = SimpleQueue()
        self._actors: list[Any] = []
        self._ended = False
        self._lock = threading.Lock()
        self._starts_left = TRIES * size
        for _ in range(size):
            self._add()

    def run(self, item: S) -> Outcome[T]:
        """Apply an actor's function to an item; a lost actor costs another try.

        Raises:
            ConfigurationError: no actor starts, or none can load the function.
        """
        from ray.exceptions import RayError, RayTaskError

        for _ in range(TRIES):
            actor = self._ready.get()
            if self._ended:
                break
            if isinstance(actor, Exception):
                self._ready.put(actor)
                raise _lost_all(actor) from actor
            try:
                outcome: Outcome[T] = self._ray.get(actor.run.remote(item))
            except RayTaskError as error:
                self._ready.put(actor)
                raise error.cause from error
            except RayError as error:
                self._replace(actor, error)
            else:
                self._ready.put(actor)
                return outcome
        detail = "the work was ended" if self._ended else f"each of the {TRIES} workers that took it was lost"
        return Outcome(error=BadClipError(Reason.CRASHED, detail))

    def end(self) -> None:
        """Kill all actors: every `run` returns, and no later one waits."""
        with self._lock:
            self._ended = True
            actors, self._actors = self._actors, []
        for actor in actors:
            self._ray.kill(actor)
            self._ready.put(None)

    def _replace(self, actor: Any, error: Exception) -> None:
        with self._lock:
            if self._ended:
                return
            self._actors.remove(actor)
            count(LOST)
        _log.warning("a worker on the Ray cluster was lost, and its clip is tried again: %s", _short(error))
        self._ray.kill(actor)
        self._add()

    def _add(self) -> None:
        """Start an actor. It takes items once it is there: a machine that is lost may leave no room for it."""
        with self._lock:
            if self._ended:
                return
            actor = self._start()
            self._actors.append(actor)
        threading.Thread(target=self._await, args=[actor], daemon=True, name="ray-start").start()

    def _await(self, actor: Any) -> None:
        from ray.exceptions import RayError

        try:
            self._ray.get(actor.__ray_ready__.remote())
        except RayError as error:
            with self._lock:
                if self._ended:
                    return
                self._actors.remove(actor)
                self._starts_left -= 1
            if self._starts_left > 0:
                self._add()
            else:
                self._ready.put(error)
        else:
            self._ready.put(actor)


def _lost_all(error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"work on the Ray cluster failed: {_short(error)}. Its machines need this package, the same version of Python "
        "and Ray, and see the same files; what is done is stored, so that the next run goes on from there"
    )


def _short(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]
