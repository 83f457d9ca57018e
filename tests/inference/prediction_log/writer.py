"""A process that writes to a log until it is killed, and says which records are kept.

Arguments: the log's place, a prefix of the requests, and "fork" to leave a child behind.
"""

import os
import sys
import time
from datetime import UTC, datetime

import numpy as np

from cu_pipeline.inference.prediction_log import LogOptions, PredictionLog, PredictionRecord, encode_embedding

if __name__ == "__main__":
    place, prefix, *how = sys.argv[1:]
    log = PredictionLog.open(place, LogOptions(flush_s=0.02))
    embedding = encode_embedding(np.linspace(-1, 1, 1664))
    number = 0
    while True:
        name = f"{prefix}{number}"
        record = PredictionRecord(
            time=datetime.now(UTC), request_id=name, labels={"topic": "cats"}, probabilities={"topic": {"cats": 1.0}},
            versions={"topic": "v1"}, embedding=embedding, facts={"duration_s": 2.5},
        )  # fmt: skip
        if log.append(record):
            os.write(1, f"{name}\n".encode())
        number += 1
        if how and number == 5:
            if os.fork():
                os._exit(9)
            time.sleep(60)
