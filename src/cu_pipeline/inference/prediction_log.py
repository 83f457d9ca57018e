"""What the service predicted, one JSON object a line, one file a UTC day: `YYYY-MM-DD.jsonl`.

Every record is one append of whole lines, so processes may write side by side. A reader skips what is not a
whole, valid record (a process was killed, a disk was full) and counts it.
"""

import base64
import binascii
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeInt, ValidationError

from cu_pipeline.core.counters import count

PATTERN: Final = "????-??-??.jsonl"

Vector = npt.NDArray[np.float32]

Probability = Annotated[FiniteFloat, Field(ge=0, le=1)]


class PredictionRecord(BaseModel):
    """One answered request.

    Attributes:
        time: when it was answered, UTC.
        request_id: unique; ties the record to the service's own logs and answers.
        labels: capability -> predicted label.
        probabilities: capability -> class -> probability.
        versions: capability -> version of the model that answered.
        embedding: base64 of the clip's embedding as little-endian float16; `encode_embedding` makes it.
        parts: widths of the embedding's parts by what made them, in order; empty in records of earlier versions.
        facts: duration_s, width, height, fps, bytes, text_length and the like; None where a clip has none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    time: AwareDatetime
    request_id: str = Field(min_length=1)
    labels: dict[str, str]
    probabilities: dict[str, dict[str, Probability]]
    versions: dict[str, str]
    embedding: str
    parts: dict[str, NonNegativeInt] = Field(default_factory=dict)
    facts: dict[str, FiniteFloat | str | None]

    def vector(self) -> Vector:
        """The embedding, float32 of shape (dimensions,).

        Raises:
            ValueError: the embedding is not base64 of whole, finite float16 numbers.
        """
        return decode_embedding(self.embedding)


@dataclass(frozen=True)
class ReadLog:
    """What a log holds.

    Attributes:
        records: the valid records that the filters let through, oldest first.
        invalid: lines that are torn or not a record.
        other: valid records that the filters left out: older, or answered by other models.
    """

    records: list[PredictionRecord]
    invalid: int
    other: int


def encode_embedding(vector: npt.NDArray[np.floating]) -> str:
    """The text form of an embedding: base64 of little-endian float16; beyond its range, its largest.

    >>> decode_embedding(encode_embedding(np.array([0.5, -2.0]))).tolist()
    [0.5, -2.0]
    """
    limit = float(np.finfo(np.float16).max)
    return base64.b64encode(np.clip(vector, -limit, limit).astype("<f2").tobytes()).decode("ascii")


def decode_embedding(text: str) -> Vector:
    """The embedding that a text form means, float32 of shape (dimensions,).

    Raises:
        ValueError: it is not base64 of whole, finite float16 numbers.
    """
    try:
        payload = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"an embedding is base64 text, not {text[:20]!r}") from error
    vector = np.frombuffer(payload, dtype="<f2").astype(np.float32)
    if not np.isfinite(vector).all():
        raise ValueError("an embedding holds finite numbers only")
    return vector


def append(folder: Path, record: PredictionRecord) -> None:
    """Add a record to the file of its day, in one write that other processes' writes do not mix with.

    Args:
        folder: of the log; made if need be.
        record: the answer to keep.

    Raises:
        OSError: the folder cannot be written, or the disk took only a part of the line.
    """
    folder.mkdir(parents=True, exist_ok=True)
    moment = record.time.astimezone(UTC)
    body = record.model_dump(mode="json") | {"time": moment.isoformat(timespec="microseconds")}
    line = (json.dumps(body, ensure_ascii=True, allow_nan=False) + "\n").encode("ascii")
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(folder / f"{moment:%Y-%m-%d}.jsonl", flags, 0o644)
    try:
        line = b"\n" + line if _ends_torn(descriptor) else line
        written = os.write(descriptor, line)
    finally:
        os.close(descriptor)
    if written < len(line):
        raise OSError(f"only {written} of {len(line)} bytes of a prediction record were written")


def read_log(folder: Path, *, versions: Mapping[str, str] | None = None, since: datetime | None = None) -> ReadLog:
    """Read the records of a log, oldest first; equal times are ordered by request.

    Args:
        folder: of the log; a folder that is absent holds no record.
        versions: keep only records that these models answered: capability -> version. A record must name
            every one of them, so that without any model no record is kept; None keeps all.
        since: keep only records of this moment or later; must have a time zone.

    Returns:
        The records, and how many lines were torn or invalid or were left out by the filters.
    """
    if since is not None and since.tzinfo is None:
        raise ValueError(f"since={since.isoformat()} has no time zone: give one, such as datetime.now(UTC)")
    kept: list[PredictionRecord] = []
    invalid = other = 0
    for line in _lines(folder):
        record = _parse(line)
        if record is None:
            invalid += 1
        elif (since is not None and record.time < since) or not _answered_by(record, versions):
            other += 1
        else:
            kept.append(record)
    count("log_lines_invalid", invalid)
    return ReadLog(sorted(kept, key=lambda record: (record.time, record.request_id)), invalid, other)


def _ends_torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


def _lines(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.glob(PATTERN)):
        with path.open("rb") as stream:
            yield from (line for line in stream if line.strip())


def _parse(line: bytes) -> PredictionRecord | None:
    try:
        record = PredictionRecord.model_validate_json(line)
        record.vector()
    except (ValidationError, ValueError):
        return None
    return record


def _answered_by(record: PredictionRecord, versions: Mapping[str, str] | None) -> bool:
    if versions is None:
        return True
    return bool(versions) and all(record.versions.get(name) == wanted for name, wanted in versions.items())


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
        """The part of the drift report that says what was current."""
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
    """Each clip of a log once: a clip that is sent again is no new evidence.

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
