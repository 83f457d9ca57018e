"""Featurize on Ray beside the local engine, and the limits of its scheduler with an encoder that only sleeps.

    make bench-scale [CLIPS=256] [SLEEPERS="16 64"]
    python benchmarks/scale_ray.py [--clips 256] [--sleepers 16 64] [--output scale_ray.json]

Clips and captions are of the sample world. Each measurement is a process of its own that may use as many cores as it
has workers, or all there are; Ray's cluster is started in it before the clock, its actors, their models and their
decoding processes within. `start` is what it takes until as many actors as workers have done a job of nothing. Stores
are compared byte for byte with that of the local engine.

The sleeper takes 3 seconds for 32 captions, less than 32 clips take. Its efficiency is the time that sleepers slept, in
seconds between the moment when all of them had begun and the end, divided by those seconds and by their number.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from cu_pipeline.compute.engine import ComputeOptions, mapper_of
from cu_pipeline.compute.ray_cluster import connected
from cu_pipeline.compute.worker_pool import LocalMapper, usable_cores
from cu_pipeline.core.options import Options
from cu_pipeline.features.encoding import CHUNK
from cu_pipeline.features.extract import extract_missing
from cu_pipeline.features.extractor import Identity
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.media.options import Limits
from cu_pipeline.sample.generate import generate
from cu_pipeline.sample.options import SampleOptions

JOBS = 20
"""Chunks of each sleeper."""

CHUNK_S = 3.0
"""Seconds for which a sleeper sleeps over a chunk."""


class Sleeper:
    """Encodes captions by sleeping, and writes down when."""

    options, source, sampling = Options, "text", None
    identity = Identity(name="sleeper", version=1, shape=(384,), weights_sha256="")

    def __init__(self, log):
        self.parameters = {"log": log}
        self._log = log

    def prepare(self, content):
        return content

    def encode(self, prepared):
        began = time.time()
        time.sleep(CHUNK_S * len(prepared) / CHUNK)
        with Path(self._log).open("a") as log:
            log.write(f"{os.getpid()} {began} {time.time()}\n")
        return np.zeros((len(prepared), 384), dtype=np.float32)


class Nothing:
    """Does a job of nothing."""

    def __call__(self, _):
        time.sleep(0.5)
        return os.getpid()


def sample(folder, count):
    rows = pd.read_csv(generate(folder, SampleOptions(clips=count), LocalMapper()), keep_default_na=False)
    paths = [str(folder / path) for path in dict.fromkeys(rows["path"]) if path][:count]
    captions = [text for text in dict.fromkeys(rows["text"]) if text][:count]
    return {name: dict(zip(some, some, strict=True)) for name, some in {"media": paths, "text": captions}.items()}


def computed(extractors, contents, folder, mapper):
    store, began = FeatureStore(folder), time.perf_counter()
    for chunk in extract_missing(extractors, contents, store, Limits(), mapper):
        store.append(chunk.identity, chunk.keys, chunk.values)
    return time.perf_counter() - began


def featurize(engine, workers, folder):
    """Measure one engine in this process."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:workers])
    contents = json.loads((folder / "contents.json").read_text())
    from scale_ray import Nothing  # by the name that workers know

    mapper, found = mapper_of(ComputeOptions(engine=engine, workers=workers)), {}
    if engine == "ray":
        connected(None, workers)
        began = time.perf_counter()
        list(mapper.spread(Nothing, range(workers), memory_mb=1))
        found["start"] = time.perf_counter() - began
    options = FeatureOptions()
    found["seconds"] = computed(list(build_all(options).values()), contents, folder / f"{engine}-{workers}", mapper)
    return found


def sleep(workers, folder):
    """Measure sleepers in this process."""
    from scale_ray import Sleeper  # by the name that workers know

    log = folder / f"sleep-{workers}.log"
    contents = {"media": {}, "text": {f"{number:06d}": "" for number in range(JOBS * workers * CHUNK)}}
    mapper = mapper_of(ComputeOptions(engine="ray", workers=workers))
    connected(None, workers)
    seconds = computed([Sleeper(str(log))], contents, folder / f"sleep-{workers}", mapper)
    spans = np.array([line.split() for line in log.read_text().splitlines()], dtype=float)
    firsts = [spans[spans[:, 0] == pid, 1].min() for pid in np.unique(spans[:, 0])]
    began, ended = max(firsts), spans[:, 2].max()
    slept = (np.minimum(spans[:, 2], ended) - np.maximum(spans[:, 1], began)).clip(min=0).sum()
    return {
        "seconds": seconds, "workers": len(firsts), "jobs": len(spans), "until_all_sleep": began - spans[:, 1].min(),
        "efficiency": slept / (len(firsts) * (ended - began)),
    }  # fmt: skip


def in_process(folder, *arguments):
    """Run a measurement in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--folder", str(folder), "--measure", *map(str, arguments)],
        check=True, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": ""},
    )  # fmt: skip
    told = [line for line in done.stdout.splitlines() if line.startswith("{")]  # Ray writes there, too
    found = json.loads(told[-1])
    print(*arguments, {name: round(value, 3) for name, value in found.items()}, flush=True)
    return found


def parts(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=256)
    parser.add_argument("--sleepers", type=int, nargs="*", default=[16, 64])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        kind, workers = given.measure
        found = sleep(int(workers), given.folder) if kind == "sleep" else featurize(kind, int(workers), given.folder)
        print(json.dumps(found))
        return
    results = {"clips": given.clips, "cores": usable_cores(), "load_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        contents = sample(folder / "sample", given.clips)
        (folder / "contents.json").write_text(json.dumps(contents))
        for workers in (1, 2, 4):
            for engine in ("local", "ray"):
                if engine == "ray" or workers <= usable_cores():
                    results[f"{engine}-{workers}"] = in_process(folder, engine, workers)
            beside = results[f"local-{min(workers, usable_cores())}"]["seconds"]
            mine = results[f"ray-{workers}"]
            mine["overhead"] = mine["seconds"] / beside - 1
            mine["overhead_without_start"] = (mine["seconds"] - mine["start"]) / beside - 1
            mine["same_bytes"] = parts(folder / f"ray-{workers}") == parts(folder / "local-1")
            print(f"ray at {workers}: overhead {mine['overhead']:.1%}, without start "
                  f"{mine['overhead_without_start']:.1%}, same bytes: {mine['same_bytes']}", flush=True)  # fmt: skip
        for workers in given.sleepers:
            results[f"sleep-{workers}"] = in_process(folder, "sleep", workers)
    results["load_after"] = os.getloadavg()[0]
    if given.output:
        given.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
