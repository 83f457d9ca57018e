"""Work on clips on a Ray cluster: actors, each of which holds a process that may crash, hang or run out of memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import closing
from types import ModuleType
from typing import TypeVar

from cu_pipeline.compute.mapper import Outcome
from cu_pipeline.compute.ray_actors import Actors, Keeper
from cu_pipeline.compute.ray_cluster import connected, gpus, joined
from cu_pipeline.compute.ray_cluster import cores as all_cores
from cu_pipeline.compute.ray_jobs import do_jobs
from cu_pipeline.compute.worker_pool import IsolatedWorker, in_order
from cu_pipeline.core.progress import each

S = TypeVar("S")
T = TypeVar("T")


class RayMapper:
    """A `Mapper`, `Spreader` and `Lender` whose processes run on a Ray cluster.

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
        pool: Actors[S, T] = Actors(ray, lambda: kind.remote(function, timeout_s=timeout_s, memory_mb=memory_mb), size)
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
        """Do jobs by a fixed pool of actors, as `Spreader` says."""
        if not jobs:
            return
        ray = connected(self._address, self._workers)
        size, demand = self._size(ray, len(jobs)), self._demand(memory_mb)
        if on_gpu and gpus(ray):
            size, demand = min(size, gpus(ray)), demand | {"num_gpus": 1}
        yield from do_jobs(ray, make, jobs, size, demand)

    def lend(self, make: Callable[[], Callable[[S], T]], *, most: int, memory_mb: int, cores: int = 1) -> Actors[S, T]:
        """Start actors that hold what `make` makes, as `Lender` says."""
        ray = connected(self._address, self._workers)
        size = max(min(self._size(ray, most), all_cores(ray) // cores), 1)
        demand = self._demand(memory_mb) | {"num_cpus": min(cores, all_cores(ray))}
        kind = ray.remote(Keeper).options(**demand, max_restarts=0)
        return Actors(ray, lambda: kind.remote(make), size)

    def _size(self, ray: ModuleType, total: int | None) -> int:
        workers = self._workers or all_cores(ray)
        return max(min(workers, total or workers), 1)

    def _demand(self, memory_mb: int) -> dict[str, float]:
        """What a worker takes of a machine that others may use too; a cluster started here is this process's alone."""
        demand: dict[str, float] = {"num_cpus": 1}
        return demand if joined(self._address) is None else demand | {"memory": memory_mb * 2**20}
