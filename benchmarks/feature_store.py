"""The feature store before and after its small parts are joined, beside pyarrow reading one file.

    make bench-store
    python benchmarks/feature_store.py [--contents 100000] [--width 384] [--s3] [--output feature_store.json]

Each content has a vector of random numbers and is stored as featurize stores it, 32 to a part. Each measurement is a
process of its own: it opens the store and reads all vectors in the order of the contents, or reads one file with the
same table by pyarrow into NumPy and puts its rows in that order, which is the least that anybody has to do. Memory is
the peak of the process, less what it had before. With `--s3` the same once more on a bucket of `rclone serve s3` on
this machine, from a machine without copies; requests are counted.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cu_pipeline.core.place_cache import PlaceCache
from cu_pipeline.features.compaction import compact
from cu_pipeline.features.encoding import CHUNK
from cu_pipeline.features.extractor import Identity
from cu_pipeline.features.parts import KEY, table_of, write_table
from cu_pipeline.features.store import FeatureStore


def identity_of(width):
    return Identity(name="random", version=1, shape=(width,), weights_sha256="")


def keys_of(count):
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]


def filled(place, count, width, cache=None):
    store, identity, keys = FeatureStore(place, cache), identity_of(width), keys_of(count)
    random = np.random.default_rng(0)
    for start in range(0, count, CHUNK):
        some = keys[start : start + CHUNK]
        store.append(identity, some, random.standard_normal((len(some), width), dtype=np.float32))


def by_store(place, count, width, cache):
    values = FeatureStore(place, cache).read(identity_of(width), keys_of(count))
    return hashlib.sha256(values).hexdigest()


def by_pyarrow(path, count, width, _):
    table, keys = pq.read_table(path), pa.array(keys_of(count), pa.large_string())
    rows = pc.index_in(keys, value_set=table.column(KEY).cast(pa.large_string()).combine_chunks()).to_numpy()
    values = table.column("vector").combine_chunks().values.to_numpy().reshape(-1, width)[rows]
    return hashlib.sha256(values).hexdigest()


def compacted(place, _, width, cache):
    return compact(FeatureStore(place, cache), identity_of(width))


WAYS = {"store": by_store, "pyarrow": by_pyarrow, "compact": compacted}


def memory_mb():
    """The peak of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def measured(way, place, count, width, copies):
    """Measure one way in this process."""
    requests = []
    if place.startswith("s3:"):
        import aiobotocore.endpoint

        send = aiobotocore.endpoint.AioEndpoint._send
        aiobotocore.endpoint.AioEndpoint._send = lambda self, request: requests.append(1) or send(self, request)
    keys_of(count)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, began, used = memory_mb(), time.perf_counter(), time.process_time()
    answer = WAYS[way](place, count, width, PlaceCache(Path(copies)))
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    peak = memory_mb() - before
    return {
        "seconds": seconds,
        "processor": processor,
        "memory_mb": peak,
        "requests": len(requests),
        "answer": answer,
    }


def in_process(way, place, given):
    with tempfile.TemporaryDirectory() as copies:
        done = subprocess.run(
            [sys.executable, __file__, "--contents", str(given.contents), "--width", str(given.width),
             "--measure", way, str(place), copies],
            check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    found = json.loads(done.stdout)
    print(
        way, {name: value if isinstance(value, str) else round(value, 2) for name, value in found.items()}, flush=True
    )
    return found


def rounds(place, folder, given):
    """Read before, join, and read after."""

    def files():
        return sum(path.suffix == ".parquet" for path in folder.rglob("part-*"))

    results = {"files_before": files(), "before": in_process("store", place, given)}
    results["compact"] = in_process("compact", place, given)
    results |= {"files_after": files(), "after": in_process("store", place, given)}
    assert results["before"]["answer"] == results["after"]["answer"]
    print(place, results["files_before"], "files, then", results["files_after"], flush=True)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contents", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--s3", action="store_true")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        way, place, copies = given.measure
        print(json.dumps(measured(way, place, given.contents, given.width, copies)))
        return
    results = {"contents": given.contents, "width": given.width, "load_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        filled(folder / "store", given.contents, given.width)
        results["disk"] = rounds(folder / "store", folder / "store", given)
        keys = keys_of(given.contents)
        values = FeatureStore(folder / "store").read(identity_of(given.width), keys)
        write_table(table_of(identity_of(given.width), keys, values), folder / "one.parquet", joined=True)
        results["pyarrow"] = in_process("pyarrow", folder / "one.parquet", given)
        assert results["pyarrow"]["answer"] == results["disk"]["after"]["answer"]
        with served(folder / "objects") if given.s3 else nullcontext() as objects:
            if objects:
                os.environ |= objects.environment()
                (folder / "objects" / "bench").mkdir()
                filled("s3://bench/features", given.contents, given.width, PlaceCache(folder / "copies", most=0))
                results["s3"] = rounds("s3://bench/features", folder / "objects", given)
    results["load_after"] = os.getloadavg()[0]
    if given.output:
        given.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def served(folder):
    sys.path.append(str(Path(__file__).parents[1]))
    from tests.servers.object_store import object_store

    folder.mkdir()
    return object_store(folder)


if __name__ == "__main__":
    main()
