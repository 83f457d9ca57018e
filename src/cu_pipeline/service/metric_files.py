"""Counts that several processes keep in files, in the form of prometheus_client's multiprocess mode.

Its own `Counter` and `Histogram` decide when they are first imported, by an environment variable, where and whether
they write, and share that with whatever else the process imports. These write to a folder that they are given.
"""

import fcntl
import json
import os
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from io import BufferedRandom
from pathlib import Path
from threading import Lock
from typing import Final

from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.utils import floatToGoString

OTHER: Final = "other"
"""The label of what there are too many of."""

_FILE_BYTES: Final = 2**18
_KINDS: Final = ("counter", "histogram")
_PAST: Final = "past"
_GAUGE: Final = "gauge_livesum"


class MetricFiles:
    """One process's counts beside those of the other processes of a service.

    What processes counted before they ended stays counted; what they had waiting does not.

    Args:
        folder: of the service, made if need be; every process of it opens the same one.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._lock = Lock()
        self._values: dict[tuple[str, str], float] = {}
        self._files: dict[str, MmapedDict] = {}
        with self._alone():
            self._keep_what_ended()
            self._alive = _locked(folder / f"{os.getpid()}.alive")
            self._files |= {kind: self._open(kind) for kind in (*_KINDS, _GAUGE)}

    def count(self, name: str, labels: Mapping[str, str], told: str, amount: float = 1) -> None:
        """Add to a counter.

        Args:
            name: of the metric, without `_total`.
            labels: of the value.
            told: what the metric is, for people.
            amount: to add.
        """
        key = _key(name, f"{name}_total", tuple(labels.items()), told)
        with self._lock:
            self._add("counter", key, amount)

    def observe(self, name: str, labels: Mapping[str, str], told: str, value: float, buckets: Sequence[float]) -> None:
        """Count a value into its bucket of a histogram.

        Args:
            name: of the metric.
            labels: of the histogram.
            told: what the metric is, for people.
            value: that was seen.
            buckets: upper bounds, rising to infinity; all are written, as Prometheus expects.
        """
        of, place = tuple(labels.items()), bisect_left(buckets, value)
        total = _key(name, f"{name}_sum", of, told)
        keys = [_key(name, f"{name}_bucket", (*of, ("le", floatToGoString(bound))), told) for bound in buckets]
        with self._lock:
            for key in keys if ("histogram", total) not in self._values else ():
                self._add("histogram", key, 0)
            self._add("histogram", keys[place], 1)
            self._add("histogram", total, value)

    def set(self, name: str, labels: Mapping[str, str], told: str, value: float) -> None:
        """Set this process's part of a value that is the sum over the living processes."""
        key = _key(name, name, tuple(labels.items()), told)
        with self._lock:
            self._write(_GAUGE, key, value)

    def forget(self, name: str, labels: Mapping[str, str]) -> None:
        """Leave out the values of a counter that have these labels, this process's and those of ended ones."""

        def stays(key: str) -> bool:
            of, _, found, _ = json.loads(key)
            return bool(of != name) or not labels.items() <= found.items()

        path = self._folder / f"counter_{os.getpid()}.db"
        with self._alone(), self._lock:
            if not self._files:
                return
            self._files["counter"].close()
            self._values = {(kind, key): value for (kind, key), value in self._values.items() if stays(key)}
            _rewrite([path], path, stays)
            _rewrite([self._folder / f"counter_{_PAST}.db"], self._folder / f"counter_{_PAST}.db", stays)
            self._files["counter"] = MmapedDict(str(path))

    def processes(self) -> int:
        """Count the living processes of the service."""
        with self._alone():
            return sum(_is_held(path) for path in self._folder.glob("*.alive"))

    def collect(self) -> list[Metric]:
        """Add up the counts of all processes."""
        with self._alone():
            self._forget_waiting()
            return list(MultiProcessCollector(None, str(self._folder)).collect())

    def close(self) -> None:
        """End this process's part; what it counted stays, and what is told later is not counted."""
        with self._lock:
            files, self._files = self._files, {}
            for file in files.values():
                file.close()
            self._alive.close()

    def _add(self, kind: str, key: str, amount: float) -> None:
        self._write(kind, key, self._values.get((kind, key), 0.0) + amount)

    def _write(self, kind: str, key: str, value: float) -> None:
        self._values[kind, key] = value
        if file := self._files.get(kind):
            file.write_value(key, value, 0.0)

    def _open(self, kind: str) -> MmapedDict:
        path = self._folder / f"{kind}_{os.getpid()}.db"
        # written, not only made long: a page that the disk has no room for would kill the process that touches it
        path.write_bytes(bytes(_FILE_BYTES))
        return MmapedDict(str(path))

    def _keep_what_ended(self) -> None:
        """Add the counts of processes that have ended to one file a kind, so that restarts do not pile up files."""
        for kind in _KINDS:
            past = self._folder / f"{kind}_{_PAST}.db"
            ended = [path for path in self._folder.glob(f"{kind}_*.db") if path != past and not self._is_alive(path)]
            if not ended:
                continue
            _rewrite([*ended, past], past)
            for path in ended:
                path.unlink()
        self._forget_waiting()
        for path in self._folder.glob("*.alive"):
            if not _is_held(path):
                path.unlink(missing_ok=True)

    def _forget_waiting(self) -> None:
        for path in self._folder.glob(f"{_GAUGE}_*.db"):
            if not self._is_alive(path):
                path.unlink(missing_ok=True)

    def _is_alive(self, path: Path) -> bool:
        number = path.stem.rpartition("_")[2]
        if number == str(os.getpid()):
            return bool(self._files)  # else a former process had this number
        return _is_held(self._folder / f"{number}.alive")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder against the other processes."""
        with (self._folder / "lock").open("ab") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def _rewrite(files: Sequence[Path], target: Path, stays: Callable[[str], bool] = lambda _: True) -> None:
    """Add up the values of files, as far as they are there, in another that takes the place of `target`."""
    found = [path for path in files if path.exists()]
    if not found:
        return
    new = target.with_suffix(".new")
    new.write_bytes(bytes(_FILE_BYTES))
    sums = MmapedDict(str(new))
    for path in found:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(path):
            if stays(key):
                sums.write_value(key, sums.read_value(key)[0] + value, 0.0)
    sums.close()
    new.replace(target)


@lru_cache(maxsize=4096)
def _key(name: str, sample: str, labels: tuple[tuple[str, str], ...], told: str) -> str:
    """Write the name of a value as prometheus_client reads it from the files."""
    return str(mmap_key(name, sample, [label for label, _ in labels], [value for _, value in labels], told))


def _locked(path: Path) -> BufferedRandom:
    """Open a file and lock it as long as this process lives."""
    stream = path.open("a+b")
    with suppress(OSError):
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return stream


def _is_held(path: Path) -> bool:
    """Whether a living process holds the lock of a file."""
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
