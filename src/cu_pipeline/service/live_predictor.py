"""The predictor that answers requests, replaced between them when the champions in its folder change."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Final, Self

from cu_pipeline.core.errors import BundleError
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.service.lifecycle import warm_up

POLL_S: Final = 2.0
"""Seconds between two looks at the folder."""

RETRY_S: Final = 30.0
"""Seconds after which what could not be used is tried again although its files look the same."""

_FILES: Final = ("bundle.json", "model.safetensors")

Signature = tuple[tuple[int, int, int], ...]
"""What tells one state of a bundle's files from another without reading them: inode, time of change, bytes."""

_logger = logging.getLogger("bentoml.cu_pipeline")  # BentoML shows what its own loggers are told


@dataclass(frozen=True)
class Kept:
    """A bundle as it was read.

    Attributes:
        signature: of its files before they were read.
        bundle: what they held.
    """

    signature: Signature
    bundle: Bundle


@dataclass
class _Generation:
    """A predictor, and how many requests it is answering."""

    predictor: Predictor
    users: int = 0


class LivePredictor:
    """Follows a folder of bundles: a promotion or a rollback is loaded and warmed beside the traffic, then swapped in.

    A request is answered by one predictor from start to end. What cannot be used, such as a damaged or half-written
    bundle, is said in the log, and the former one keeps answering. Each process of a service has its own and looks for
    itself, so for a few seconds two of them may answer by different versions.

    Args:
        folder: with one bundle in a subfolder for each capability.
        predictor: what answers first.
        kept: subfolder -> the bundle that it has of it.
        workers: decoding processes of later predictors.
    """

    def __init__(self, folder: Path, predictor: Predictor, kept: Mapping[str, Kept], workers: int) -> None:
        self._folder = folder
        self._workers = workers
        self._kept = dict(kept)
        self._tried = self._seen = {name: one.signature for name, one in kept.items()}
        self._retry_at = inf
        self._told: set[str] = set()
        self._current = _Generation(predictor)
        self._retired: list[_Generation] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="champions", daemon=True)

    @classmethod
    def start(cls, folder: Path, workers: int) -> Self:
        """Load all bundles of a folder, and warm up.

        Raises:
            BundleError: one cannot be used.
        """
        state = signatures(folder)
        try:
            kept = {name: Kept(signature, Bundle.load(folder / name)) for name, signature in state.items()}
        except BundleError:
            if signatures(folder) == state:
                raise
            return cls.start(folder, workers)  # it was replaced while it was read
        predictor = Predictor(_by_capability(kept), workers=workers)
        warm_up(predictor, workers)
        return cls(folder, predictor, kept, workers)

    @contextmanager
    def use(self) -> Iterator[Predictor]:
        """Give the predictor that answers now; it stays usable until the block ends."""
        with self._lock:
            mine = self._current
            mine.users += 1
        try:
            yield mine.predictor
        finally:
            with self._lock:
                mine.users -= 1

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
        """Look at the folder once, and tell whether the predictor was replaced."""
        self._close_retired()
        state = signatures(self._folder)
        steady, self._seen = state == self._seen, state
        if not steady and self._kept.keys() - state.keys():
            return False  # what is being moved may be there again at the next look
        if state == self._tried and time.monotonic() < self._retry_at:
            return False
        return self._take(state)

    def _watch(self) -> None:
        while not self._stop.wait(POLL_S):
            try:
                self.check()
            except Exception:  # nothing that happens to the folder may end the service or its watching
                _logger.exception("the champions in %s could not be looked at", self._folder)

    def _take(self, state: Mapping[str, Signature]) -> bool:
        """Serve what the folder holds, as far as it can be used."""
        found, problems = self._read(state)
        replaced = False
        if not found:
            problems.append(f"{self._folder} holds no bundle any more: the former ones keep answering")
        elif {name: one.signature for name, one in found.items()} != self._signatures():
            try:
                self._swap(found)
                replaced = True
            except Exception as error:
                kept = "The former ones keep answering"
                problems.append(f"the models in {self._folder} cannot be served: {error}. {kept}")
        self._tried = dict(state)
        self._retry_at = time.monotonic() + RETRY_S if problems else inf
        for problem in problems:
            if problem not in self._told:
                _logger.error("%s", problem)
        self._told = set(problems)
        return replaced

    def _read(self, state: Mapping[str, Signature]) -> tuple[dict[str, Kept], list[str]]:
        """Read the bundles that changed; of one that cannot be used the former is kept, and it is said why."""
        found, problems = {}, []
        for name, signature in state.items():
            known = self._kept.get(name)
            if known is not None and known.signature == signature:
                found[name] = known
                continue
            try:
                found[name] = Kept(signature, _usable(self._folder / name))
            except Exception as error:
                found |= {} if known is None else {name: known}
                if signatures(self._folder).get(name) == signature:  # else it was replaced while it was read
                    kept = "it is not served" if known is None else f"{known.bundle.version} keeps answering"
                    problems.append(f"the new model in {self._folder / name} cannot be used: {error} For now {kept}")
        return found, problems

    def _swap(self, found: dict[str, Kept]) -> None:
        former, bundles = self._current, _by_capability(found)
        before = {name: bundle.version for name, bundle in former.predictor.bundles.items()}
        predictor = Predictor(bundles, workers=self._workers, former=former.predictor)
        warm_up(predictor, self._workers)
        with self._lock:
            self._current = _Generation(predictor)
            self._retired.append(former)
        self._kept = found
        after = {name: bundle.version for name, bundle in bundles.items()}
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                _logger.info("%s: serving %s instead of %s", name, after.get(name, "none"), before.get(name, "none"))

    def _close_retired(self) -> None:
        """End the decoding processes of former predictors, oldest first, once nobody uses them."""
        while self._retired and not self._retired[0].users:
            former = self._retired.pop(0)
            former.predictor.close([*self._retired, self._current][0].predictor)

    def _signatures(self) -> dict[str, Signature]:
        return {name: one.signature for name, one in self._kept.items()}


def signatures(folder: Path) -> dict[str, Signature]:
    """Find the subfolders of a folder that say to hold a bundle, and what their files look like from outside."""
    found = {}
    for config in sorted(folder.glob(f"*/{_FILES[0]}")):
        try:
            states = [config.with_name(name).stat() for name in _FILES]
        except OSError:
            states = []  # half there: it is told when it is read
        found[config.parent.name] = tuple((one.st_ino, one.st_mtime_ns, one.st_size) for one in states)
    return found


def _usable(folder: Path) -> Bundle:
    """Read a bundle, and check that this installation can answer by it.

    Raises:
        BundleError: it cannot.
    """
    bundle = Bundle.load(folder)
    bundle.load_model()
    bundle.extractors()
    return bundle


def _by_capability(kept: Mapping[str, Kept]) -> dict[str, Bundle]:
    found = {one.bundle.capability: one.bundle for one in kept.values()}
    return {name: found[name] for name in sorted(found)}
