"""Whole jobs on a Ray cluster, done by actors each of which holds what does them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from types import ModuleType
from typing import TypeVar

from cu_pipeline.compute.ray_actors import TRIES, Actors, Keeper
from cu_pipeline.compute.worker_pool import in_order
from cu_pipeline.core.errors import ConfigurationError

S = TypeVar("S")
T = TypeVar("T")


def do_jobs(
    ray: ModuleType, make: Callable[[], Callable[[S], T]], jobs: Sequence[S], size: int, demand: dict[str, float]
) -> Iterator[T]:
    """Do jobs; one whose actor is lost is done again by another, and gives one result.

    Args:
        ray: the module, connected.
        make: makes what does jobs, in each actor.
        jobs: picklable and small.
        size: actors.
        demand: what an actor takes of its machine, as Ray names it.

    Yields:
        Results, in the order of the jobs.

    Raises:
        ConfigurationError: a job took down each worker that took it, or no worker can start.
    """
    kind = ray.remote(Keeper).options(**demand, max_restarts=0)
    pool: Actors[S, T] = Actors(ray, lambda: kind.remote(make), size)
    with closing(in_order(pool.run, size, jobs, pool.end)) as outcomes:
        for outcome in outcomes:
            if outcome.error is not None:
                raise _taken_down()
            yield outcome.value  # type: ignore[misc]  # T may be optional itself


def _taken_down() -> ConfigurationError:
    return ConfigurationError(
        f"a job took down {TRIES} workers of the Ray cluster, one after the other. Remedy: give its machines more "
        "memory or compute.workers fewer; `compute.engine: local` does the same work here"
    )
