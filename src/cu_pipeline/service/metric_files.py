"""Counts that several processes keep in files, in the form of prometheus_client's multiprocess mode.

Its own `Counter` and `Histogram` decide when they are first imported, by an environment variable, where and whether
they write, and share that with whatever else the process imports. These write to a folder that they are given.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path
from threading import Lock
from typing import Final, Literal

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

Kind = Literal["counter", "histogram", "gauge_livesum"]


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

    def add(self, kind: Kind, name: str, sample: str, labels: Mapping[str, str], told: str, amount: float) -> None:
        """Add to a value.

        Args:
            kind: of the metric.
            name: of the metric, without `_total`.
            sample: the name of the value.
            labels: of the value.
            told: what the metric is, for people.
            amount: to add.
        """
        key = mmap_key(name, sample, list(labels), list(labels.values()), told)
        with self._lock:
            value = self._values.get((kind, key), 0.0) + amount
            self._write(kind, key, value)

    def set(self, name: str, labels: Mapping[str, str], told: str, value: float) -> None:
        """Set this process's part of a value that is the sum over the living processes."""
        key = mmap_key(name, name, list(labels), list(labels.values()), told)
        with self._lock:
            self._write(_GAUGE, key, value)

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
            new = self._folder / f"{kind}_{_PAST}.new"
            new.unlink(missing_ok=True)
            sums = MmapedDict(str(new))
            for path in [*ended, *([past] if past.exists() else [])]:
                for key, value, _, _ in MmapedDict.read_all_values_from_file(path):
                    sums.write_value(key, sums.read_value(key)[0] + value, 0.0)
            sums.close()
            new.replace(past)
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


def bucket_of(value: float, buckets: Sequence[float]) -> str:
    """Name the bucket of a histogram that a value falls into by its upper bound.

    >>> bucket_of(0.3, (0.1, 0.5, 1)), bucket_of(3, (0.1, 0.5, 1))
    ('0.5', '+Inf')
    """
    bound = next((bound for bound in buckets if value <= bound), float("inf"))
    return str(floatToGoString(bound))


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
