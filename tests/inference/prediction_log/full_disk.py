"""Writes to a log on a disk of 1 MiB until it is full, gives it more room, and prints what was kept and what is found.

Argument: an empty folder. Needs a mount namespace of its own: `unshare -rm`.
"""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime

import numpy as np

from cu_pipeline.inference.prediction_log import (
    LogOptions,
    PredictionLog,
    PredictionRecord,
    encode_embedding,
    read_log,
)


def record(number: int) -> PredictionRecord:
    return PredictionRecord(
        time=datetime.now(UTC), request_id=f"r{number:03}", labels={}, probabilities={}, versions={"topic": "v1"},
        embedding=encode_embedding(np.linspace(-1, 1, 1664)), facts={},
    )  # fmt: skip


if __name__ == "__main__":
    folder = sys.argv[1]
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    failures: list[int] = []
    log = PredictionLog.open(folder, LogOptions(flush_s=0.02), lambda: failures.append(1))
    answers = [record(number) for number in range(400)]
    kept = [one.request_id for one in answers if log.append(one)]
    for _ in range(100):
        if log._mover._away_since:  # the database finds no room either
            break
        time.sleep(0.01)
    subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
    kept += [one.request_id for one in map(record, range(400, 410)) if log.append(one)]
    for _ in range(200):
        if log.flush():
            break
        time.sleep(0.1)
    log.close()
    found = read_log(folder)
    names = [one.request_id for one in found.records]
    told = {"kept": kept, "found": names, "failures": len(failures), "invalid": found.invalid}
    sys.stdout.write(json.dumps(told))
