"""A process that decodes batches of clips in one environment: answers a line of JSON with a line of JSON.

`python runner.py ours` or `python runner.py peers`. A request names clips and a setting; the answer is the seconds
until all frames have arrived in this process. Workers are started and have decoded before a clock runs.
"""

import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing import get_context

import contenders
import numpy as np

CORES = len(os.sched_getaffinity(0))


def one_thread():
    """Keep libraries from starting threads of their own for what is not decoding."""
    for name, call in (("torch", "set_num_threads"), ("cv2", "setNumThreads")):
        with suppress(ImportError):
            getattr(__import__(name), call)(1)


class Peers:
    """Any library, on one of the ways to spread clips over the cores."""

    def __init__(self):
        one_thread()
        self._pools = {
            "a process a core": ProcessPoolExecutor(CORES, get_context("spawn"), initializer=one_thread),
            "a thread a core": ThreadPoolExecutor(CORES),
            "one clip at a time": ThreadPoolExecutor(1),
        }

    def decode(self, paths, setting):
        threads = 0 if setting["spread"] == "one clip at a time" else 1
        function = partial(getattr(contenders, setting["function"]), threads=threads, **setting["arguments"])
        return list(self._pools[setting["spread"]].map(function, paths))


class Ours:
    """The product: what `featurize` runs, in the worker processes that it runs in."""

    def __init__(self):
        from cu_pipeline.compute.worker_pool import WorkerPool
        from cu_pipeline.features.frame_encoder import FrameEncoder
        from cu_pipeline.media.options import Limits

        limits = Limits()
        encoder = FrameEncoder(contenders.COUNT, contenders.SIDE)
        self._pool = WorkerPool(encoder.prepare, size=CORES, timeout_s=limits.timeout_s, memory_mb=limits.memory_mb)
        self._threads = ThreadPoolExecutor(CORES)

    def decode(self, paths, _):
        return [outcome.get() for outcome in self._threads.map(self._pool.run, paths)]


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    side = {"ours": Ours, "peers": Peers}[sys.argv[1]]()
    for line in sys.stdin:
        request = json.loads(line)
        started = time.perf_counter()
        frames = side.decode(request["paths"], request["setting"])
        seconds = time.perf_counter() - started
        if request["save"]:
            np.save(request["save"], np.stack(frames))
        print(json.dumps(seconds), file=answers, flush=True)


if __name__ == "__main__":
    main()
