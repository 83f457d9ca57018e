"""The service's traffic as drift is looked for in it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cu_pipeline.inference.prediction_log.records import PredictionRecord
from cu_pipeline.inference.prediction_log.scan import LogScan


@dataclass(frozen=True)
class Traffic:
    """What the service answered with the models of today.

    Attributes:
        table: one row a distinct clip, oldest first, with the columns that `drift.snapshot` reads.
        requests: answers, repeated ones included.
        invalid: lines of the log that are torn or no record.
        other: records that are older, or of other models.
        replays: answers about the product's own clips, which are left out.
        skipped: answers that the log's sample left out.
    """

    table: pd.DataFrame
    requests: int
    invalid: int
    other: int
    replays: int
    skipped: int

    def only_replays(self) -> bool:
        """Whether all that was found are the product's own clips."""
        return not self.requests and self.replays > 0

    def about(self) -> dict[str, object]:
        """The part of the drift report that says what was current."""
        times = [time.isoformat(timespec="seconds") for time in self.table["time"]]
        return {
            "n": len(self.table),
            "units": int(self.table["group"].nunique()),
            "requests": self.requests,
            "from": times[0] if times else None,
            "to": times[-1] if times else None,
            "invalid_lines": self.invalid,
            "other_records": self.other,
            "replays": self.replays,
            "sampled_out": self.skipped,
        }


def distinct_clips(log: LogScan, facts: Sequence[str]) -> Traffic:
    """Each clip of a log once: a clip that is sent again is no new evidence.

    Clips are the same when their embeddings and facts are; the latest answer counts.

    Args:
        log: to be read.
        facts: the numeric facts to keep; NaN where a record has none.
    """
    latest: dict[bytes, dict[str, object]] = {}
    requests = 0
    for record in log:
        requests += 1
        content = _content(record)
        latest.pop(content, None)  # so that the order stays that of the answers that count
        latest[content] = _row(record, facts)
    columns = ["request_id", "time", "group", "embedding", "parts", "labels", "predictions", *facts]
    table = pd.DataFrame(list(latest.values()), columns=columns)
    return Traffic(table, requests, log.invalid, log.other, log.replays, log.skipped)


def _content(record: PredictionRecord) -> bytes:
    digest = hashlib.blake2b(record.embedding, digest_size=16)
    digest.update(json.dumps(record.facts, sort_keys=True).encode())
    return digest.digest()


def _unit(record: PredictionRecord) -> str:
    """What depends on itself: the clips of a creator, or of one content where the client told no creator."""
    if record.creator:
        return f"creator:{record.creator}"
    return f"content:{record.media_sha256 or record.text_sha256 or record.request_id}"


def _row(record: PredictionRecord, facts: Sequence[str]) -> dict[str, object]:
    return {
        "request_id": record.request_id,
        "time": record.time,
        "group": _unit(record),
        "embedding": record.vector().astype(np.float16),
        "parts": json.dumps(record.parts),
        "labels": json.dumps(record.labels),
        "predictions": json.dumps(record.probabilities),
        **{name: record.facts.get(name) for name in facts},
    }
