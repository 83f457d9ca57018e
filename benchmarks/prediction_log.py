"""What it costs to keep an answer: the spool beside the plain append to a file by day that was there before.

    python benchmarks/prediction_log.py [--records 5000] [--read 100000] [--output FILE]

A record has an embedding of 1,664 numbers and the answers of two capabilities, about 5 kB. Contenders take turns, so
that what else the machine does hits all alike; latencies are of one `append`, in microseconds. `plain append` opens the
file of the day, writes a line, and closes it, as the log did before; `spool` is `PredictionLog.append` while its thread
moves lines into SQLite; `spool, fsync` puts each record on the disk. Throughput of the move is records a second into
the database alone. Reading is of a log of many records in a process of its own: seconds and the largest resident
memory, by `scan_log` one by one and by `read_log` as a list; and of 5,000 by what `monitor` reads with.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from cu_pipeline.inference.prediction_log import LogOptions, PredictionLog, PredictionRecord, encode_embedding, scan_log

START = datetime(2026, 3, 4, tzinfo=UTC)
ROUND = 250
FOR_EVER = 36_500

READ = """
import json, resource, sys, time
from cu_pipeline.inference.prediction_log import read_log, scan_log
from cu_pipeline.inference.prediction_log.traffic import distinct_clips
place, how = sys.argv[1:]
start = time.perf_counter()
if how == "monitor":
    found = len(distinct_clips(scan_log(place), ["duration_s"]).table)
elif how == "list":
    found = len(read_log(place).records)
else:
    found = sum(1 for _ in scan_log(place))
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(json.dumps({"records": found, "seconds": round(seconds, 2), "peak_mb": peak}))
"""


def made(number, rng):
    topics = dict(zip(("a", "b", "c", "d", "e", "f"), rng.dirichlet(np.ones(6)).tolist(), strict=True))
    return PredictionRecord(
        time=START + timedelta(seconds=number),
        request_id=f"{number:032x}",
        labels={"topic": "a", "safety": "none"},
        probabilities={"topic": topics, "safety": {"advert": float(rng.random()), "violence": float(rng.random())}},
        versions={"topic": "32cc52d8f298", "safety": "fd99010b7fc3"},
        embedding=encode_embedding(rng.normal(size=1664)),
        parts={"frames@1a": 1280, "captions@2b": 384},
        facts={"duration_s": float(rng.random()), "width": 720.0, "height": 1280.0, "fps": 25.0, "bytes": 1e6},
        timings={"decode": 20.5, "encode": 90.25, "score": 1.5},
        media_sha256=f"{number:064x}",
    )


def plain(folder: Path) -> Callable[[PredictionRecord], None]:
    """Append as the log did before: open, write, close."""
    folder.mkdir()

    def append(record):
        line = (record.model_dump_json() + "\n").encode()
        descriptor = os.open(folder / f"{record.time:%Y-%m-%d}.jsonl", os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(descriptor, line)
        os.close(descriptor)

    return append


def latencies(folder: Path, records: list[PredictionRecord]) -> dict[str, dict[str, float]]:
    """Microseconds of one append of each contender, in turns of `ROUND` records."""
    logs = {
        "spool": PredictionLog.open(str(folder / "spool"), LogOptions(retention_days=FOR_EVER)),
        "spool, fsync": PredictionLog.open(str(folder / "fsync"), LogOptions(retention_days=FOR_EVER, fsync=True)),
    }
    contenders = {"plain append": plain(folder / "plain")} | {name: log.append for name, log in logs.items()}
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for first in range(0, len(records), ROUND):
        for name, append in contenders.items():
            for record in records[first : first + ROUND]:
                start = time.perf_counter_ns()
                append(record)
                taken[name].append((time.perf_counter_ns() - start) / 1000)
    for log in logs.values():
        log.close()
    base = np.percentile(taken["plain append"], [50, 99])
    return {name: _row(values, base) for name, values in taken.items()}


def _row(values, base):
    p50, p99 = np.percentile(values, [50, 99])
    return {
        "p50_us": round(float(p50), 1),
        "p99_us": round(float(p99), 1),
        "p50_ratio": round(float(p50 / base[0]), 2),
        "p99_ratio": round(float(p99 / base[1]), 2),
        "records_per_s": round(1e6 / statistics.fmean(values)),
    }


def fill(place: Path, count: int) -> float:
    """Write a log of many records; give the records a second of moving them into the database."""
    rng = np.random.default_rng(0)
    log = PredictionLog.open(str(place), LogOptions(retention_days=FOR_EVER, flush_s=60, spool_bytes=2**40))
    moved = 0.0
    for first in range(0, count, 5000):
        for number in range(first, min(first + 5000, count)):
            assert log.append(made(number, rng))
        start = time.perf_counter()
        assert log.flush()
        moved += time.perf_counter() - start
    log.close()
    return count / moved


def read(place: Path, how: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", READ, str(place), how], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=5000, help="appended by each contender")
    parser.add_argument("--read", type=int, default=100_000, help="records of the log that is read")
    parser.add_argument("--output", type=Path, help="JSON file for the results")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        found = {"append": latencies(folder, [made(number, rng) for number in range(arguments.records)])}
        found["move"] = {"records_per_s": round(fill(folder / "few", 5000))}
        found["monitor of 5,000"] = read(folder / "few", "monitor")
        fill(folder / "many", arguments.read)
        found["database_mb"] = round((folder / "many" / "predictions.db").stat().st_size / 1e6)
        found |= {f"read, {how}": read(folder / "many", how) for how in ("one by one", "list")}
        assert next(iter(scan_log(folder / "many"))).time == START
    text = json.dumps(found, indent=2)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
