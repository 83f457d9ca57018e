"""Measure time and memory of monitor on long logs.

    python benchmarks/drift_scale.py [--records 5000 100000] [--output drift_scale.json]

A record is as in benchmarks/prediction_log.py, 1,664 numbers and the answers of two capabilities, of a new creator for
every fifth. The reference has 2,000 clips. Monitor's nodes, its page among them, run in a process of their own.
Seconds, seconds of the processor and the largest resident memory are told after reading, after comparing and at the
end. The start of Kedro comes on top.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from cu_pipeline.inference.prediction_log import LogOptions, PredictionLog
from prediction_log import FOR_EVER, made

RUN = """
import json, pickle, resource, sys, time
from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.drift.options import DriftOptions
from cu_pipeline.pipelines.monitor import nodes, showing
from cu_pipeline.reports.drift_pictures import DriftPictures

folder = sys.argv[1]
started = time.perf_counter()
def spent():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "of processor": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": used.ru_maxrss // 1024,
    }
resolved = ResolvedCapabilities({
    "topic": Capability(classes=tuple("abcdef")),
    "safety": Capability(kind=Kind.MULTI, classes=("advert", "violence")),
})
served = {"topic": {"model_version": "32cc52d8f298"}, "safety": {"model_version": "fd99010b7fc3"}}
delivery, options = {"capabilities": served}, DriftOptions()
traffic = nodes.read_traffic(folder + "/log", delivery, options)
read = spent()
with open(folder + "/reference", "rb") as stream:
    references = dict.fromkeys(served, pickle.load(stream))
comparison, looks = nodes.compare_with_references(references, traffic, delivery, resolved, options, 0, [])
drift = nodes.report_drift(references, traffic, comparison, options)
compared = spent()
columns = showing.find_drift_columns(drift, references, traffic, resolved)
history = showing.remember_look(drift, {}, {}, options.history)
showing.show_drift(drift, columns, DriftPictures(), history, "", frozenset())
drifted = [one["name"] for one in drift["tests"] if one["drifted"]]
told = {"records": traffic.requests, "tests": len(drift["tests"]), "drifted": drifted}
print(json.dumps(told | {"read": read, "compared": compared, "with page": spent()}))
"""


def log(folder: Path, records: int) -> None:
    """Write a log."""
    rng = np.random.default_rng(0)
    kept = PredictionLog.open(str(folder / "log"), LogOptions(retention_days=FOR_EVER))
    for number in range(records):
        told = {"creator": f"creator {number // 5}", "media_sha256": f"{number:064x}", "text_sha256": f"{number:064x}"}
        kept.append(made(number, rng).model_copy(update=told))
    kept.close()


def reference(clips: int) -> pd.DataFrame:
    """Clips that a model learned from, like those of the log."""
    rng = np.random.default_rng(1)
    records = [made(number, rng) for number in range(clips)]
    return pd.DataFrame(
        {
            "clip_id": [one.request_id for one in records],
            "split": np.where(np.arange(clips) < 0.8 * clips, "train", "validation"),
            "group": [f"creator:learned {number // 5}" for number in range(clips)],
            "embedding": [one.vector() for one in records],
            "parts": json.dumps(records[0].parts),
            "labels": [json.dumps(one.labels) for one in records],
            "predictions": [json.dumps(one.probabilities) for one in records],
            "versions": json.dumps(records[0].versions),
            "text_length": np.nan,
        }
    ).join(pd.DataFrame([one.facts for one in records]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, nargs="+", default=[5_000, 100_000])
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    rows = []
    for records in given.records:
        with tempfile.TemporaryDirectory() as name:
            log(Path(name), records)
            reference(2000).to_pickle(Path(name) / "reference")
            done = subprocess.run([sys.executable, "-c", RUN, name], check=True, stdout=subprocess.PIPE, text=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(rows[-1], flush=True)
    if given.output:
        given.output.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
