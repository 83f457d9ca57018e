import json
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from cu_pipeline.inference.prediction_log import PredictionRecord, ReadLog


@dataclass(frozen=True)
class Traffic:
    """What the service answered with the models of today.

    Attributes:
        table: one row a distinct clip, oldest first, with the columns that `drift.snapshot` reads.
        requests: answers, repeated ones included.
        invalid: lines of the log that are torn or no record.
        other: records that are older, or of other models.
    """

    table: pd.DataFrame
    requests: int
    invalid: int
    other: int

    def about(self) -> dict[str, object]:
        """Give the part of the drift report that says what was current."""
        times = [time.isoformat(timespec="seconds") for time in self.table["time"]]
        return {
            "n": len(self.table),
            "requests": self.requests,
            "from": times[0] if times else None,
            "to": times[-1] if times else None,
            "invalid_lines": self.invalid,
            "other_records": self.other,
        }


def distinct_clips(log: ReadLog, facts: Sequence[str]) -> Traffic:
    """Give each clip of a log once: a clip that is sent again is no new evidence.

    Clips are the same when their embeddings and facts are; the latest answer counts.

    Args:
        log: as read.
        facts: the numeric facts to keep; NaN where a record has none.
    """
    latest = {_content(record): record for record in log.records}
    records = sorted(latest.values(), key=lambda record: (record.time, record.request_id))
    rows = [_row(record, facts) for record in records]
    columns = ["time", "embedding", "parts", "labels", "predictions", *facts]
    return Traffic(pd.DataFrame(rows, columns=columns), len(log.records), log.invalid, log.other)


def _content(record: PredictionRecord) -> tuple[str, str]:
    return record.embedding, json.dumps(record.facts, sort_keys=True)


def _row(record: PredictionRecord, facts: Sequence[str]) -> dict[str, object]:
    return {
        "time": record.time,
        "embedding": record.vector(),
        "parts": json.dumps(record.parts),
        "labels": json.dumps(record.labels),
        "predictions": json.dumps(record.probabilities),
        **{name: record.facts.get(name) for name in facts},
    }
