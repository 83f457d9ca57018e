"""Actors on a Ray cluster that take items in turn, and whose loss costs an item another try."""

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from types import ModuleType
from typing import Any, Final, Generic, TypeVar

from cu_pipeline.compute.mapper import Outcome
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import BadClipError, ConfigurationError, Reason

S = TypeVar("S")
T = TypeVar("T")

TRIES: Final = 4
"""Workers that an item or a job may lose, one after the other, before it is taken for the cause."""

LOST: Final = "ray_workers_lost"
"""Counts the workers that were lost, alone or with their machine, each of which cost an item another try."""

_log = logging.getLogger(__name__)


class Actors(Generic[S, T]):
    """Actors that take turns, those that have started: any number of threads may give them items.

    Args:
        ray: the module.
        start: starts an actor with the method `run`.
        size: actors, so items at a time.
    """

    def __init__(self, ray: ModuleType, start: Callable[[], Any], size: int) -> None:
        self.size = size
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
                raise lost_all(actor) from actor
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
        _log.warning("a worker on the Ray cluster was lost, and what it was at is tried again: %s", _short(error))
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


class Keeper(Generic[S, T]):
    """An actor that holds what does items.

    Args:
        make: makes it.
    """

    def __init__(self, make: Callable[[], Callable[[S], T]]) -> None:
        self._do = make()

    def run(self, item: S) -> Outcome[T]:
        """Do an item."""
        return Outcome(self._do(item))


def lost_all(error: Exception) -> ConfigurationError:
    """Say that a cluster cannot go on with the work."""
    return ConfigurationError(
        f"work on the Ray cluster failed: {_short(error)}. Its machines need this package, the same version of Python "
        "and Ray, and see the same files; what is done is stored, so that the next run goes on from there"
    )


def _short(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]
