"""Records and logs that the tests of this folder use."""

from datetime import UTC, datetime

import numpy as np

from cu_pipeline.inference.prediction_log import (
    FeedbackRecord,
    LogOptions,
    PredictionLog,
    PredictionRecord,
    ShadowRecord,
    encode_embedding,
)

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
KEPT_FOR_EVER = 36_500


def record(request_id="r1", time=NOON, version="v1", **other):
    values = {
        "time": time,
        "request_id": request_id,
        "labels": {"topic": "cats"},
        "probabilities": {"topic": {"cats": 0.75, "dogs": 0.25}},
        "versions": {"topic": version},
        "embedding": encode_embedding(np.array([0.5, -1.0, 3.0])),
        "facts": {"duration_s": 2.5, "codec": "h264", "width": None},
    }
    return PredictionRecord(**(values | other))


def shadow(request_id="r1", time=NOON, **other):
    values = {"capability": "topic", "label": "cats", "probabilities": {"cats": 1.0}, "version": "v2", "ms": 3.5}
    return ShadowRecord(**({"time": time, "request_id": request_id} | values | other))


def feedback(request_id="r1", time=NOON, **other):
    return FeedbackRecord(**({"time": time, "request_id": request_id, "capability": "topic", "label": "dogs"} | other))


def opened(place, on_failure=None, **options):
    """Open a log that moves its lines when it is told to, or is closed, unless `flush_s` says how often."""
    wanted = {"retention_days": KEPT_FOR_EVER, "flush_s": 60.0} | options
    return PredictionLog.open(str(place), LogOptions(**wanted), on_failure)


def write(place, *records, **options):
    """Append records and move them into the database."""
    log = opened(place, **options)
    for one in records:
        assert log.append(one)
    log.close()


def ids(log):
    return [one.request_id for one in log.records]
