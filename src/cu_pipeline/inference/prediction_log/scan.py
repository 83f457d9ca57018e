"""The records of a log in the order of time, wherever they are."""

import heapq
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from cu_pipeline.core.counters import count
from cu_pipeline.inference.prediction_log.place import Place
from cu_pipeline.inference.prediction_log.records import (
    FeedbackRecord,
    PredictionRecord,
    RefusalRecord,
    ShadowRecord,
    SkippedRecord,
    from_line,
)
from cu_pipeline.inference.prediction_log.refused import count_refused
from cu_pipeline.inference.prediction_log.sources import AT_ONCE, connected, open_files, stored

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Select

KEPT: Final = "kept"
OTHER: Final = "other"
REPLAY: Final = "replay"


@dataclass(frozen=True)
class _Line:
    """A record that waits: where its line is, and what the filters say of it."""

    time: datetime
    stream: IO[bytes]
    start: int
    size: int
    verdict: str


@dataclass(frozen=True)
class _Waiting:
    """What is not in the database yet, by request."""

    lines: dict[str, _Line] = field(default_factory=dict)
    skipped: dict[str, datetime] = field(default_factory=dict)


class LogScan:
    """The records of a log one by one, oldest first, and how many were left out.

    What it counts is whole when all records were taken. Lines that wait are re-read when their turn comes, so that a
    scan holds few records, however many there are.

    Args:
        place: of the log; where there is nothing yet, it holds no record.
        versions: keep only records that these models answered: capability -> version. A record must name
            every one of them, so that without any model no record is kept; None keeps all.
        since: keep only records of this moment or later; must have a time zone.
        replays: keep records of the product's own clips too.
    """

    def __init__(
        self,
        place: str | Path,
        *,
        versions: Mapping[str, str] | None = None,
        since: datetime | None = None,
        replays: bool = False,
    ) -> None:
        check_zone(since)
        self._place = Place.of(place)
        self._versions, self._since, self._with_replays = versions, since, replays
        self.invalid = self.other = self.replays = self.skipped = 0

    def __iter__(self) -> Iterator[PredictionRecord]:
        self.invalid, self.other, self.replays, self.skipped = count_refused(self._place.spool), 0, 0, 0
        with ExitStack() as stack:
            waiting = self._waiting(stack)
            connection = stack.enter_context(connected(self._place))
            if connection is not None:
                _drop_known(connection, waiting)
            yield from heapq.merge(self._rows(connection), self._lines(waiting), key=order)
        count("log_lines_invalid", self.invalid)

    def _waiting(self, stack: ExitStack) -> "_Waiting":
        waiting = _Waiting()
        for stream in open_files(self._place, stack):
            while line := stream.readline():
                record = from_line(line)
                if record is None:
                    self.invalid += bool(line.strip())
                elif isinstance(record, SkippedRecord):
                    waiting.skipped[record.request_id] = record.time
                elif isinstance(record, PredictionRecord):
                    found = _Line(record.time, stream, stream.tell() - len(line), len(line), self._verdict(record))
                    waiting.lines.setdefault(record.request_id, found)
        return waiting

    def _verdict(self, record: PredictionRecord) -> str:
        if (self._since is not None and record.time < self._since) or not _answered_by(record, self._versions):
            return OTHER
        return REPLAY if record.replay and not self._with_replays else KEPT

    def _lines(self, waiting: "_Waiting") -> Iterator[PredictionRecord]:
        verdicts = [line.verdict for line in waiting.lines.values()]
        self.other += verdicts.count(OTHER)
        self.replays += verdicts.count(REPLAY)
        self.skipped += sum(self._since is None or time >= self._since for time in waiting.skipped.values())
        kept = [(line.time, name, line) for name, line in waiting.lines.items() if line.verdict == KEPT]
        for _, _, line in sorted(kept, key=lambda one: one[:2]):
            line.stream.seek(line.start)
            record = from_line(line.stream.read(line.size))
            if isinstance(record, PredictionRecord):
                yield record

    def _rows(self, connection: "Connection | None") -> Iterator[PredictionRecord]:
        if connection is None:
            return
        import sqlalchemy as sa

        from cu_pipeline.inference.prediction_log.schema import PREDICTIONS, SKIPPED, raw_columns

        dialect = connection.dialect.name
        conditions = [] if self._since is None else [PREDICTIONS.c.time >= self._since]
        conditions += [] if self._versions is None else answered_by_all(self._versions, dialect)
        total = _count(connection, sa.select(sa.func.count()).select_from(PREDICTIONS))
        skipped = sa.select(sa.func.count()).select_from(SKIPPED)
        self.skipped += _count(
            connection, skipped if self._since is None else skipped.where(SKIPPED.c.time >= self._since)
        )
        if not self._with_replays:
            replays = sa.select(sa.func.count()).select_from(PREDICTIONS).where(*conditions, PREDICTIONS.c.replay)
            left_out = _count(connection, replays)
            self.replays += left_out
            total -= left_out
            conditions.append(sa.not_(PREDICTIONS.c.replay))
        wanted = sa.select(*raw_columns(PREDICTIONS, dialect)).where(*conditions)
        for record in stored(
            connection, PredictionRecord, wanted.order_by(PREDICTIONS.c.time, PREDICTIONS.c.request_id)
        ):
            total -= 1
            if record is None:
                self.invalid += 1
            else:
                yield record
        self.other += total


def _drop_known(connection: "Connection", waiting: _Waiting) -> None:
    """Leave out what waits though it is in the database: its process was killed before it could remove the line."""
    import sqlalchemy as sa

    from cu_pipeline.inference.prediction_log.schema import PREDICTIONS, SKIPPED

    for table, found in ((PREDICTIONS, waiting.lines), (SKIPPED, waiting.skipped)):
        names = list(found)
        for first in range(0, len(names), AT_ONCE):
            asked = sa.select(table.c.request_id).where(table.c.request_id.in_(names[first : first + AT_ONCE]))
            for name in connection.execute(asked).scalars():
                del found[name]


def answered_by_all(versions: Mapping[str, str], dialect: str) -> list["ColumnElement[bool]"]:
    """Whether a row names all these models; one whose JSON is damaged passes, and is counted when it is read."""
    import sqlalchemy as sa

    from cu_pipeline.inference.prediction_log.schema import PREDICTIONS

    told = PREDICTIONS.c.versions
    if not versions:
        return [sa.false()]
    if dialect == "postgresql":
        return [told.op("->>")(name) == version for name, version in versions.items()]
    conditions: list[ColumnElement[bool]] = []
    for name, version in versions.items():
        entry = sa.func.json_each(told).table_valued("key", "value")
        named = sa.exists().where(entry.c.key == name, entry.c.value == version)
        conditions.append(sa.case((sa.func.json_valid(told) == 1, named), else_=sa.true()))
    return conditions


def _count(connection: "Connection", query: "Select[Any]") -> int:
    return int(connection.execute(query).scalar_one())


def _answered_by(record: PredictionRecord, versions: Mapping[str, str] | None) -> bool:
    if versions is None:
        return True
    return bool(versions) and all(record.versions.get(name) == wanted for name, wanted in versions.items())


def check_zone(since: datetime | None) -> None:
    """Refuse a moment that may be another elsewhere.

    Raises:
        ValueError: it has no time zone.
    """
    if since is not None and since.tzinfo is None:
        raise ValueError(f"since={since.isoformat()} has no time zone: give one, such as datetime.now(UTC)")


def order(record: PredictionRecord | ShadowRecord | FeedbackRecord | RefusalRecord) -> tuple[datetime, str]:
    """What records are sorted by."""
    return record.time, record.request_id
