"""What a prediction log holds, wherever it is: in the database, in the spool, in files by day of earlier versions."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from cu_pipeline.inference.prediction_log.place import Place
from cu_pipeline.inference.prediction_log.records import FeedbackRecord, PredictionRecord, ShadowRecord, from_line
from cu_pipeline.inference.prediction_log.scan import LogScan, check_zone, order
from cu_pipeline.inference.prediction_log.sources import connected, open_files, stored

Read = TypeVar("Read", ShadowRecord, FeedbackRecord)


@dataclass(frozen=True)
class ReadLog:
    """What a log holds.

    Attributes:
        records: the valid records that the filters let through, oldest first.
        invalid: lines and rows that are torn, damaged or no record.
        other: valid records that the filters left out: older, or answered by other models.
        replays: records of the product's own clips, which are no traffic, that were left out for that alone.
        skipped: answers whose record the log's sample left out.
    """

    records: list[PredictionRecord]
    invalid: int
    other: int
    replays: int = 0
    skipped: int = 0


def scan_log(
    place: str | Path,
    *,
    versions: Mapping[str, str] | None = None,
    since: datetime | None = None,
    replays: bool = False,
) -> LogScan:
    """Read the records of a log one by one; see `LogScan`.

    Raises:
        ConfigurationError: the place is neither a folder nor a database.
        StoreError: the database cannot be read; raised when the first record is taken.
    """
    return LogScan(place, versions=versions, since=since, replays=replays)


def read_log(
    place: str | Path,
    *,
    versions: Mapping[str, str] | None = None,
    since: datetime | None = None,
    replays: bool = False,
) -> ReadLog:
    """Read all records of a log at once, oldest first; equal times are ordered by request. See `LogScan`.

    Raises:
        ConfigurationError: the place is neither a folder nor a database.
        StoreError: the database cannot be read.
    """
    scan = scan_log(place, versions=versions, since=since, replays=replays)
    records = list(scan)
    return ReadLog(records, scan.invalid, scan.other, scan.replays, scan.skipped)


def read_shadows(place: str | Path, since: datetime | None = None) -> list[ShadowRecord]:
    """Read what the models that did not answer said, oldest first.

    Raises:
        StoreError: the database cannot be read.
    """
    return _all_of(ShadowRecord, place, since)


def read_feedback(place: str | Path, since: datetime | None = None) -> list[FeedbackRecord]:
    """Read what people said of answers, oldest first.

    Raises:
        StoreError: the database cannot be read.
    """
    return _all_of(FeedbackRecord, place, since)


def holds_records(place: str | Path) -> bool:
    """Whether any answer is in a log, the product's own clips and those that were sampled out included.

    Raises:
        StoreError: the database cannot be read.
    """
    scan = scan_log(place, replays=True)
    return next(iter(scan), None) is not None or scan.skipped > 0


def _all_of(model: type[Read], place: str | Path, since: datetime | None) -> list[Read]:
    check_zone(since)
    found: dict[tuple[str, ...], Read] = {}
    where = Place.of(place)
    with ExitStack() as stack:
        for stream in open_files(where, stack):
            records = map(from_line, stream)
            found |= {_key(one): one for one in records if isinstance(one, model)}
        connection = stack.enter_context(connected(where))
        if connection is not None:
            import sqlalchemy as sa

            from cu_pipeline.inference.prediction_log.schema import TABLES, raw_columns

            table = TABLES[model]
            wanted = sa.select(*raw_columns(table, connection.dialect.name))
            rows = stored(connection, model, wanted if since is None else wanted.where(table.c.time >= since))
            found |= {_key(one): one for one in rows if one is not None}
    kept = (one for one in found.values() if since is None or one.time >= since)
    return sorted(kept, key=order)


def _key(record: ShadowRecord | FeedbackRecord) -> tuple[str, ...]:
    if isinstance(record, FeedbackRecord):
        return (record.feedback_id,)
    return record.request_id, record.capability
