"""What a prediction log holds, wherever it is: in the database, in the spool, in files by day of earlier versions."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from cu_pipeline.inference.prediction_log.place import Place
from cu_pipeline.inference.prediction_log.records import (
    FeedbackRecord,
    PredictionRecord,
    RefusalRecord,
    ShadowRecord,
    from_line,
)
from cu_pipeline.inference.prediction_log.scan import LogScan, answered_by_all, check_zone, order
from cu_pipeline.inference.prediction_log.sources import connected, open_files, stored

Read = TypeVar("Read", ShadowRecord, FeedbackRecord, RefusalRecord)


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


def read_refusals(place: str | Path, since: datetime | None = None) -> list[RefusalRecord]:
    """Read how many requests were refused in which minute and why, oldest first.

    Raises:
        StoreError: the database cannot be read.
    """
    return _all_of(RefusalRecord, place, since)


def read_latest(place: str | Path, most: int) -> list[PredictionRecord]:
    """Read the latest answers that are traffic, by whatever models, oldest first.

    Args:
        place: of the log.
        most: records.

    Raises:
        StoreError: the database cannot be read.
    """
    found: dict[str, PredictionRecord] = {}
    where = Place.of(place)
    with ExitStack() as stack:
        for stream in open_files(where, stack):
            records = map(from_line, stream)
            found |= {one.request_id: one for one in records if isinstance(one, PredictionRecord) and not one.replay}
        connection = stack.enter_context(connected(where))
        if connection is not None:
            import sqlalchemy as sa

            from cu_pipeline.inference.prediction_log.schema import PREDICTIONS, raw_columns

            wanted = sa.select(*raw_columns(PREDICTIONS, connection.dialect.name)).where(sa.not_(PREDICTIONS.c.replay))
            newest = wanted.order_by(PREDICTIONS.c.time.desc(), PREDICTIONS.c.request_id.desc()).limit(most)
            rows = stored(connection, PredictionRecord, newest)
            found |= {one.request_id: one for one in rows if one is not None}
    return sorted(found.values(), key=order)[-most:]


def oldest_of_latest(place: str | Path, most: int, versions: Mapping[str, str]) -> datetime | None:
    """Find when the oldest of the latest answers of models was given; None where the database holds fewer.

    Args:
        place: of the log. What waits to be moved to the database does not count.
        most: answers that are traffic.
        versions: of the models that gave them, by capability.

    Raises:
        StoreError: the database cannot be read.
    """
    with connected(Place.of(place)) as connection:
        if connection is None:
            return None
        import sqlalchemy as sa

        from cu_pipeline.inference.prediction_log.schema import PREDICTIONS, raw_columns, record_time

        dialect = connection.dialect.name
        (time,) = (one for one in raw_columns(PREDICTIONS, dialect) if one.name == "time")
        mine = sa.select(time).where(sa.not_(PREDICTIONS.c.replay), *answered_by_all(versions, dialect))
        latest_first = mine.order_by(PREDICTIONS.c.time.desc(), PREDICTIONS.c.request_id.desc())
        found = connection.execute(latest_first.offset(most - 1).limit(1)).scalar()
        try:
            return None if found is None else record_time(found)
        except (ValueError, TypeError):  # a damaged row is told when the log is read
            return None


def count_answers(place: str | Path, since: datetime) -> int:
    """Count the answers since a moment that are traffic, by whatever models.

    Raises:
        StoreError: the database cannot be read.
    """
    check_zone(since)
    where = Place.of(place)
    waiting: set[str] = set()
    with ExitStack() as stack:
        for stream in open_files(where, stack):
            records = [one for one in map(from_line, stream) if isinstance(one, PredictionRecord)]
            waiting |= {one.request_id for one in records if not one.replay and one.time >= since}
        connection = stack.enter_context(connected(where))
        if connection is None:
            return len(waiting)
        import sqlalchemy as sa

        from cu_pipeline.inference.prediction_log.schema import PREDICTIONS

        conditions = (sa.not_(PREDICTIONS.c.replay), PREDICTIONS.c.time >= since)
        stored_ones = sa.select(sa.func.count()).select_from(PREDICTIONS).where(*conditions)
        return len(waiting) + int(connection.execute(stored_ones).scalar_one())


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


def _key(record: ShadowRecord | FeedbackRecord | RefusalRecord) -> tuple[str, ...]:
    if isinstance(record, FeedbackRecord):
        return (record.feedback_id,)
    if isinstance(record, RefusalRecord):
        return (record.request_id,)
    return record.request_id, record.capability
