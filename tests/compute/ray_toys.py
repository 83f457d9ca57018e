"""What workers of a Ray cluster do in tests, and a driver that can be killed."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from cu_pipeline.compute.ray_mapper import RayMapper
from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.core.options import Options
from cu_pipeline.features.extract import extract_missing
from cu_pipeline.features.extractor import Identity
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.media.options import Limits


class Lengths:
    """Encodes a text, or what is in a file, as its length and first letter, and writes down each that it encodes.

    Args:
        log: file of a line for each encoded content: its text, the process and the node that encoded it.
        seconds: that encoding one content takes.
        source: `text` or `media`.
    """

    options, sampling = Options, None

    def __init__(self, log, seconds=0.0, source="text"):
        self.log, self.seconds, self.source = log, seconds, source
        self.parameters = {"log": log, "seconds": seconds, "source": source}
        self.identity = Identity(name=f"lengths_{source}", version=1, shape=(2,), weights_sha256="")

    def prepare(self, content):
        text = content if self.source == "text" else Path(content).read_text()
        if text == "broken":
            raise BadClipError(Reason.TRUNCATED, "half a file")
        if text == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        return text

    def encode(self, prepared):
        time.sleep(self.seconds * len(prepared))
        lines = "".join(f"{text} {os.getpid()}\n" for text in prepared)
        with Path(self.log).open("a") as log:
            log.write(lines)
        return np.array([[len(text), ord(text[0])] for text in prepared], dtype=np.float32)


class TakesDown(Lengths):
    """Kills the process that it encodes in."""

    def encode(self, prepared):
        os.kill(os.getpid(), signal.SIGKILL)


def lose_worker(item):
    """Kill the actor that holds this process: always, or the first time, which a file remembers."""
    what, folder = item
    first = Path(folder, what)
    if what == "always" or (what.startswith("once") and not first.exists()):
        first.touch()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return what


def texts(count):
    return {f"{number:05d}": f"t{number:05d}" for number in range(count)}


def featurize(folder, count, seconds, mapper):
    """Encode texts; give the extractor and the store."""
    extractor, store = Lengths(str(folder / "log"), seconds), FeatureStore(folder / "store")
    contents = {"media": {}, "text": texts(count)}
    for chunk in extract_missing([extractor], contents, store, Limits(memory_mb=512), mapper):
        store.append(chunk.identity, chunk.keys, chunk.values)
    return extractor, store


if __name__ == "__main__":
    from tests.compute import ray_toys  # by the name that workers know

    ray_toys.featurize(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), RayMapper(sys.argv[4] or None, 2))
