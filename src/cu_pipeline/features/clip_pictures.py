import atexit
import threading
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Final

from cu_pipeline.compute.worker_pool import WorkerPool, usable_cores
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.paths import from_stored
from cu_pipeline.media.options import Limits
from cu_pipeline.media.pictures import QUALITY, pictures

_VERSION: Final = 1


@dataclass(frozen=True)
class ClipPictures:
    """Frames of a clip as JPEG files, decoded only when they are wanted.

    Attributes:
        path: in the form that tables keep.
        media_sha256: of the file.
        count: pictures, spread evenly over the clip's time.
        side: the longer side of each, in pixels, at most.
    """

    path: str
    media_sha256: str
    count: int
    side: int

    @cached_property
    def key(self) -> str:
        """The hash of all that decides the pictures, the video decoder and its version among it."""
        from cu_pipeline.media.decoding import decoder_identity

        return json_sha256([_VERSION, self.media_sha256, self.count, self.side, QUALITY, decoder_identity()])

    def take(self, count: int) -> "ClipPictures":
        """The same clip with so many pictures."""
        return replace(self, count=count)

    def load(self) -> tuple[bytes, ...]:
        """Decode the frames in a worker process, which a bad file cannot take this one down with.

        Raises:
            BadClipError: the clip does not decode.
        """
        outcome = _pool(self.count, self.side).run(from_stored(self.path))
        if outcome.error is not None:
            raise outcome.error
        return outcome.value or ()


_pools: dict[tuple[int, int], "WorkerPool[Path, tuple[bytes, ...]]"] = {}
_lock = threading.Lock()


def close_pools() -> None:
    """End the workers that decode pictures, which otherwise end with this process; a later picture starts others."""
    with _lock:
        while _pools:
            _pools.popitem()[1].close()


atexit.register(close_pools)


def _pool(count: int, side: int) -> "WorkerPool[Path, tuple[bytes, ...]]":
    with _lock:
        if (count, side) not in _pools:
            limits = Limits()
            _pools[count, side] = WorkerPool(
                partial(pictures, count=count, side=side),
                size=usable_cores(),
                timeout_s=limits.timeout_s,
                memory_mb=limits.memory_mb,
            )
        return _pools[count, side]
