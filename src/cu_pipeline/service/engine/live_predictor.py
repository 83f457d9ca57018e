"""The predictor that answers requests, replaced between them when champions or challengers change."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Final, Self

from cu_pipeline.core.errors import BundleError
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.media.options import Limits
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.service.engine.bundle_files import Kept, Signature, by_capability, signature, signatures, usable
from cu_pipeline.service.engine.interface import Router
from cu_pipeline.service.engine.warm_up import warm_up

POLL_S: Final = 2.0
"""Seconds between two looks at the folder; all processes of a machine look at the same moments."""

RETRY_S: Final = 30.0
"""Seconds after which what could not be used is tried again although its files look the same."""

Places = dict[str, Path]
State = dict[str, Signature]

_logger = logging.getLogger("bentoml.cu_pipeline")  # BentoML shows what its own loggers are told


@dataclass
class Generation:
    """A predictor, and how many requests it is answering."""

    predictor: Predictor
    users: int = 0


class LivePredictor:
    """Follows a folder of champions, and a router's challengers.

    What changes is loaded and warmed beside the traffic, then swapped in. A request is answered by one predictor from
    start to end. What cannot be used, such as a damaged or half-written bundle, is said in the log, and the former one
    keeps answering; a challenger that cannot be used is not asked. Each process of a service has its own and looks for
    itself, so for `POLL_S` and the time to load two of them may answer by different versions.

    Args:
        folder: with one bundle in a subfolder for each capability.
        predictor: what answers first.
        kept: subfolder -> the bundle that it has of it.
        build: makes later predictors.
        router: names challengers; None: there are none.
        challenging: capability -> the challenger that the predictor has.
    """

    def __init__(
        self,
        folder: Path,
        predictor: Predictor,
        kept: Mapping[str, Kept],
        build: "Builder",
        router: Router | None = None,
        challenging: Mapping[str, Kept] | None = None,
    ) -> None:
        self._folder = folder
        self._build = build
        self._router = router
        self._kept = dict(kept)
        self._challenging = dict(challenging or {})
        self._tried = self._seen = {name: one.signature for name, one in kept.items()}
        self._tried_challengers = {name: one.signature for name, one in self._challenging.items()}
        self._retry_at = inf
        self._told: set[str] = set()
        self._current = Generation(predictor)
        self._retired: list[Generation] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="champions", daemon=True)

    @classmethod
    def start(cls, folder: Path, build: "Builder", router: Router | None = None) -> Self:
        """Load all bundles of a folder, and warm up; challengers come with the first look.

        Raises:
            BundleError: one cannot be used.
        """
        state = signatures(folder)
        try:
            kept = {name: Kept(found, Bundle.load(folder / name)) for name, found in state.items()}
        except BundleError:
            if signatures(folder) == state:
                raise
            return cls.start(folder, build, router)  # it was replaced while it was read
        predictor = build(by_capability(kept))
        warm_up(predictor, build.workers)
        return cls(folder, predictor, kept, build, router)

    def take(self) -> Generation:
        """Give the predictor that answers now; it stays usable until it is given back."""
        with self._lock:
            self._current.users += 1
            return self._current

    def give_back(self, generation: Generation) -> None:
        """End the use of a predictor, once for each `take`."""
        with self._lock:
            generation.users -= 1

    @contextmanager
    def use(self) -> Iterator[Predictor]:
        """Give the predictor that answers now; it stays usable until the block ends."""
        mine = self.take()
        try:
            yield mine.predictor
        finally:
            self.give_back(mine)

    def watch(self) -> None:
        """Look at the folder from now on, every `POLL_S` seconds, until `close`."""
        self._watcher.start()

    def close(self) -> None:
        """Look no more, and end the decoding processes."""
        self._stop.set()
        if self._watcher.is_alive():
            self._watcher.join(timeout=POLL_S)
        for generation in [*self._retired, self._current]:
            generation.predictor.close()

    def check(self) -> bool:
        """Look at the folders once, and tell whether the predictor was replaced."""
        self._close_retired()
        state, places = signatures(self._folder), self._places()
        challengers = {name: signature(place) for name, place in places.items()}
        steady, self._seen = state == self._seen, state
        if not steady and self._kept.keys() - state.keys():
            return False  # what is being moved may be there again at the next look
        alike = state == self._tried and challengers == self._tried_challengers
        if alike and time.monotonic() < self._retry_at:
            return False
        return self._take(state, places, challengers)

    def _watch(self) -> None:
        while not self._stop.wait(POLL_S - time.time() % POLL_S):
            try:
                self.check()
            except Exception:  # nothing that happens to the folder may end the service or its watching
                _logger.exception("the champions in %s could not be looked at", self._folder)

    def _places(self) -> Places:
        if self._router is None:
            return {}
        try:
            return dict(self._router.challengers())
        except Exception:  # without challengers the champions answer
            _logger.exception("the rollouts could not be looked at")
            return {}

    def _take(self, state: State, places: Places, challengers: State) -> bool:
        """Serve what the folders hold, as far as it can be used."""
        champions = {name: self._folder / name for name in state}
        found, problems = _read(state, champions, self._kept, lambda: signatures(self._folder))
        asked, odd = _read(challengers, places, self._challenging, lambda: _states(places), keep=False)
        problems += odd
        replaced = False
        if not found:
            problems.append(f"{self._folder} holds no bundle any more: the former ones keep answering")
        elif _signatures(found) != _signatures(self._kept) or _signatures(asked) != _signatures(self._challenging):
            try:
                self._swap(found, asked, problems)
                replaced = True
            except Exception as error:
                kept = "The former ones keep answering"
                problems.append(f"the models in {self._folder} cannot be served: {error}. {kept}")
        self._tried, self._tried_challengers = dict(state), dict(challengers)
        self._retry_at = time.monotonic() + RETRY_S if problems else inf
        for problem in problems:
            if problem not in self._told:
                _logger.error("%s", problem)
        self._told = set(problems)
        return replaced

    def _swap(self, found: dict[str, Kept], asked: dict[str, Kept], problems: list[str]) -> None:
        former, bundles = self._current, by_capability(found)
        try:
            predictor = self._warm(bundles, former.predictor, by_capability(asked))
        except Exception as error:
            if not asked:
                raise
            problems.append(f"the challengers {', '.join(asked)} cannot be asked: {error}")
            predictor, asked = self._warm(bundles, former.predictor, {}), {}
        with self._lock:
            self._current = Generation(predictor)
            self._retired.append(former)
        self._kept, self._challenging = found, asked
        _tell("serving", former.predictor.bundles, bundles)
        _tell("comparing", former.predictor.challengers, predictor.challengers)

    def _warm(self, bundles: dict[str, Bundle], former: Predictor, challengers: dict[str, Bundle]) -> Predictor:
        predictor = self._build(bundles, former, challengers)
        try:
            warm_up(predictor, self._build.workers)
        except BaseException:
            predictor.close(former)
            raise
        return predictor

    def _close_retired(self) -> None:
        """End the decoding processes of former predictors, oldest first, once nobody uses them."""
        while self._retired and not self._retired[0].users:
            former = self._retired.pop(0)
            former.predictor.close([*self._retired, self._current][0].predictor)


@dataclass(frozen=True)
class Builder:
    """Makes predictors that differ in their models alone.

    Attributes:
        workers: processes that decode.
        limits: of media.
        decoder_replaced: is called when one takes the place of one that failed.
    """

    workers: int = 0
    limits: Limits | None = None
    decoder_replaced: Callable[[], None] | None = None

    def __call__(
        self,
        bundles: dict[str, Bundle],
        former: Predictor | None = None,
        challengers: Mapping[str, Bundle] | None = None,
    ) -> Predictor:
        """Make a predictor; see there."""
        return Predictor(bundles, self.limits, self.workers, former, challengers, self.decoder_replaced)


def _read(
    state: State, places: Mapping[str, Path], known: Mapping[str, Kept], now: Callable[[], State], keep: bool = True
) -> tuple[dict[str, Kept], list[str]]:
    """Read the bundles that changed; of one that cannot be used the former is kept, and it is said why."""
    found, problems = {}, []
    for name, looks in state.items():
        former = known.get(name)
        if former is not None and former.signature == looks:
            found[name] = former
            continue
        try:
            found[name] = Kept(looks, usable(places[name]))
        except Exception as error:
            if keep and former is not None:
                found[name] = former
            if now().get(name) == looks:  # else it was replaced while it was read
                kept = f"{found[name].bundle.version} keeps answering" if name in found else "it is not served"
                problems.append(f"the new model in {places[name]} cannot be used: {error} For now {kept}")
    return found, problems


def _states(places: Places) -> State:
    return {name: signature(place) for name, place in places.items()}


def _signatures(kept: Mapping[str, Kept]) -> State:
    return {name: one.signature for name, one in kept.items()}


def _tell(does: str, before: Mapping[str, Bundle], after: Mapping[str, Bundle]) -> None:
    for name in sorted(before.keys() | after.keys()):
        old, new = (served[name].version if name in served else "none" for served in (before, after))
        if old != new:
            _logger.info("%s: %s %s instead of %s", name, does, new, old)
