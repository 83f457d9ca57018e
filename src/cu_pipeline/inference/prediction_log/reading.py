"""What a prediction log holds, wherever it is: in the database, in the spool, in files by day of earlier versions."""

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cu_pipeline.inference.prediction_log.place import Place
from cu_pipeline.inference.prediction_log.records import (
    FeedbackRecord,
    PredictionRecord,
    Record,
    ShadowRecord,
    from_line,
)
from cu_pipeline.inference.prediction_log.scan import LogScan, check_zone, order
from cu_pipeline.inference.prediction_log.sources import AT_ONCE, connected, open_files, stored

if TYPE_CHECKING:
    from sqlalchemy import Connection

Read = TypeVar("Read", ShadowRecord, FeedbackRecord)
Named = TypeVar("Named", PredictionRecord, FeedbackRecord)


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


def read_new_feedback(place: str | Path, known: Set[str]) -> list[FeedbackRecord]:
    """Read what people said of answers beyond what is known, oldest first; of that only the ids are read.

    Whatever comes late, from a machine whose database was out of reach, is new then.

    Args:
        place: of the log.
        known: ids of feedback.

    Raises:
        StoreError: the database cannot be read.
    """
    found: dict[str, FeedbackRecord] = {}
    where = Place.of(place)
    with ExitStack() as stack:
        for record in _waiting(where, stack):
            if isinstance(record, FeedbackRecord) and record.feedback_id not in known:
                found[record.feedback_id] = record
        connection = stack.enter_context(connected(where))
        if connection is not None:
            import sqlalchemy as sa

            from cu_pipeline.inference.prediction_log.schema import FEEDBACK

            ids = connection.execute(sa.select(FEEDBACK.c.feedback_id)).scalars()
            fresh = [name for name in ids if name not in known]
            found |= {one.feedback_id: one for one in _named(connection, FeedbackRecord, fresh)}
    return sorted(found.values(), key=order)


def read_answers(place: str | Path, request_ids: Collection[str]) -> dict[str, PredictionRecord]:
    """Read the answers to some requests, the product's own clips among them: by the id of the request.

    Raises:
        StoreError: the database cannot be read.
    """
    wanted = set(request_ids)
    if not wanted:
        return {}
    where = Place.of(place)
    with ExitStack() as stack:
        waiting = [one for one in _waiting(where, stack) if isinstance(one, PredictionRecord)]
        found = {one.request_id: one for one in waiting if one.request_id in wanted}
        connection = stack.enter_context(connected(where))
        if connection is not None:
            found |= {one.request_id: one for one in _named(connection, PredictionRecord, sorted(wanted))}
    return found


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


def _waiting(place: Place, stack: ExitStack) -> Iterator[Record]:
    """The records that are not in the database yet."""
    for stream in open_files(place, stack):
        yield from (record for line in stream if (record := from_line(line)) is not None)


def _named(connection: "Connection", model: type[Named], names: Sequence[str]) -> Iterator[Named]:
    """The rows of some ids; one that is damaged is left out."""
    from cu_pipeline.inference.prediction_log.schema import TABLES, raw_columns

    table = TABLES[model]
    (key,) = table.primary_key.columns
    for first in range(0, len(names), AT_ONCE):
        some = table.select().with_only_columns(*raw_columns(table, connection.dialect.name))
        rows = stored(connection, model, some.where(key.in_(names[first : first + AT_ONCE])))
        yield from (one for one in rows if one is not None)


def _key(record: ShadowRecord | FeedbackRecord) -> tuple[str, ...]:
    if isinstance(record, FeedbackRecord):
        return (record.feedback_id,)
    return record.request_id, record.capability
