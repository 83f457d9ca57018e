"""Jobs on a Ray cluster, done by the fixed pool of actors of Ray Data, each of which holds what does them."""

import logging
import pickle
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, TypeVar

import pyarrow as pa

from cu_pipeline.compute.ray_actors import LOST, TRIES, lost_all
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import ConfigurationError, CuPipelineError

S = TypeVar("S")
T = TypeVar("T")

_log = logging.getLogger(__name__)


def do_jobs(
    ray: ModuleType, make: Callable[[], Callable[[S], T]], jobs: Sequence[S], size: int, demand: dict[str, float]
) -> Iterator[T]:
    """Do jobs, each a block of one row; one whose actor is lost is done again, and gives one result.

    Args:
        ray: the module, connected.
        make: makes what does jobs, in each actor.
        jobs: picklable and small.
        size: actors.
        demand: what an actor takes of its machine, as Ray names it.

    Yields:
        Results as they come.

    Raises:
        CuPipelineError: a job did, took down each worker that took it, or no worker can start.
    """
    from ray import data
    from ray.exceptions import RayError, RayTaskError

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    data.DataContext.get_current().enable_progress_bars = False
    attempts = _beside_the_driver(ray, _Attempts)
    rows = data.from_items(
        [{"number": number, "job": pickle.dumps(job)} for number, job in enumerate(jobs)], override_num_blocks=len(jobs)
    )
    done = rows.map_batches(
        _Doer, fn_constructor_args=(pickle.dumps(make), attempts), batch_size=1, batch_format="pyarrow",
        compute=data.ActorPoolStrategy(size=size), **demand,
    )  # fmt: skip
    try:
        for row in done.iter_rows():
            result = pickle.loads(row["result"])  # noqa: S301 - from an actor of this process
            if isinstance(result, CuPipelineError):
                raise result
            yield result
        if lost := ray.get(attempts.repeated.remote()):
            count(LOST, lost)
            _log.warning("workers on the Ray cluster were lost: %d jobs were done again by others", lost)
    except RayTaskError:  # a fault of what does the jobs, with its traceback
        raise
    except RayError as error:
        raise lost_all(error) from error
    finally:
        ray.kill(attempts)


class _Doer:
    """What an actor of Ray Data runs: made once, it does one job after the other."""

    def __init__(self, make: bytes, attempts: Any) -> None:
        self._do = pickle.loads(make)()  # noqa: S301 - from the process that started this one
        self._attempts = attempts

    def __call__(self, rows: Any) -> Any:
        import ray

        (row,) = rows.to_pylist()
        try:
            if ray.get(self._attempts.begin.remote(row["number"])) > TRIES:
                raise _taken_down()
            result = self._do(pickle.loads(row["job"]))  # noqa: S301
        except CuPipelineError as error:  # told in words by the process that asked
            result = error
        return pa.table({"result": pa.array([pickle.dumps(result)], pa.binary())})


class _Attempts:
    """Counts how often each job was begun, so that one which takes its worker down each time comes to an end."""

    def __init__(self) -> None:
        self._begun: Counter[int] = Counter()

    def begin(self, job: int) -> int:
        """Count a job that begins, and say which time this is."""
        self._begun[job] += 1
        return self._begun[job]

    def repeated(self) -> int:
        """Count what was begun again."""
        return self._begun.total() - len(self._begun)


def _beside_the_driver(ray: ModuleType, kind: type[Any]) -> Any:
    """Start an actor that takes no core and ends with this process, on its machine."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(kind).options(num_cpus=0, scheduling_strategy=here).remote()


def _taken_down() -> ConfigurationError:
    return ConfigurationError(
        f"a job took down {TRIES} workers of the Ray cluster, one after the other. Remedy: give its machines more "
        "memory or compute.workers fewer; `compute.engine: local` does the same work here"
    )
