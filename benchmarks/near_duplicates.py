"""Near-duplicates: precision and recall on a sample world, and time and memory on synthetic hashes.

python benchmarks/near_duplicates.py quality --originals 240 --seed 17
python benchmarks/near_duplicates.py scale --clips 1000000
"""

import argparse
import csv
import json
import resource
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations
from pathlib import Path

import numpy as np

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.dedup.index import candidate_pairs
from cu_pipeline.dedup.matching import DuplicateOptions, match
from cu_pipeline.media.perceptual import FRAMES, WORDS, frame_hashes
from cu_pipeline.sample.generate import generate
from cu_pipeline.sample.options import SampleOptions


def rows(path):
    found = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            found.setdefault(row["clip_id"], row)
    return found


def closure(pairs):
    """Give all pairs within the groups that pairs connect."""
    group = {}
    for one, other in pairs:
        merged = group.get(one, {one}) | group.get(other, {other})
        group.update(dict.fromkeys(merged, merged))
    return {
        pair
        for members in {id(found): found for found in group.values()}.values()
        for pair in combinations(sorted(members), 2)
    }


def scores(found, truth):
    hits = len(found & truth)
    return {"pairs": len(found), "precision": hits / max(len(found), 1), "recall": hits / len(truth)}


def quality(arguments):
    folder = Path(arguments.world or tempfile.mkdtemp())
    world = SampleOptions(clips=arguments.originals, seed=arguments.seed, near_duplicates=1.0)
    manifest = rows(generate(folder, world, LocalMapper(0)))
    truth = {key: row for key, row in rows(folder / "truth.csv").items() if not row["expected_reason"]}
    names = list(truth)
    place = {name: number for number, name in enumerate(names)}
    started = time.perf_counter()
    with ProcessPoolExecutor() as pool:
        hashes = np.stack(
            list(pool.map(frame_hashes, [folder / manifest[name]["path"] for name in names], chunksize=8))
        )
    hashed = time.perf_counter() - started
    captions = [manifest[name]["text"] for name in names]
    kinds = {
        tuple(sorted((place[row["near_duplicate_of"]], place[name]))): row["alteration"]
        for name, row in truth.items()
        if row["near_duplicate_of"]
    }
    indexed = {tuple(pair) for pairs in candidate_pairs(hashes) for pair in pairs.tolist()}
    result = {"originals": arguments.originals, "copies": len(kinds), "hashes_per_s": len(names) / hashed}
    for label, options, texts in (
        ("pictures and captions", DuplicateOptions(), captions),
        ("pictures alone", DuplicateOptions(captioned_bits=0), [""] * len(names)),
    ):
        found = set(map(tuple, match(hashes, texts, options)[0].tolist()))
        by_kind = defaultdict(Counter)
        for pair, kind in kinds.items():
            by_kind[kind].update({"copies": 1, "found": pair in found, "indexed": pair in indexed})
        result[label] = scores(found, set(kinds)) | {
            "after grouping": scores(closure(found), set(kinds)),
            "kinds": {kind: dict(by_kind[kind]) for kind in sorted(by_kind)},
            "wrong": [[truth[names[one]]["scene"], truth[names[other]]["scene"]] for one, other in found - set(kinds)],
        }
    print(json.dumps(result, indent=2))


def scale(arguments):
    rng = np.random.default_rng(arguments.seed)
    clips, copies = arguments.clips, arguments.clips // 100
    hashes = rng.integers(1, 2**64, (clips, FRAMES, 2, WORDS), dtype=np.uint64)
    sources = rng.choice(clips - copies, copies, replace=False)
    for start in range(0, copies, 1000):
        some = sources[start : start + 1000]
        flips = rng.random((len(some), FRAMES, 2, WORDS * 64)) < arguments.noise
        place = clips - copies + start
        hashes[place : place + len(some)] = hashes[some] ^ np.packbits(flips, axis=-1).view(np.uint64)
    started, busy = time.perf_counter(), time.process_time()
    pairs, _ = match(hashes, [""] * clips, DuplicateOptions())
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - busy
    truth = {(int(source), clips - copies + number) for number, source in enumerate(sources)}
    result = {"clips": clips, "noise": arguments.noise, "seconds": seconds, "cpu_seconds": cpu_seconds}
    result |= scores(set(map(tuple, pairs.tolist())), truth)
    result["peak_memory_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(result, indent=2))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("quality")
    command.set_defaults(run=quality)
    command.add_argument("--originals", type=int, default=240)
    command.add_argument("--seed", type=int, default=17)
    command.add_argument("--world", help="folder of the world; kept")
    command = commands.add_parser("scale")
    command.set_defaults(run=scale)
    command.add_argument("--clips", type=int, default=1_000_000)
    command.add_argument("--noise", type=float, default=0.05, help="share of bits that a copy changes")
    command.add_argument("--seed", type=int, default=17)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
