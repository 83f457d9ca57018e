"""The tables of the prediction log's database, their versions, and the records of their rows."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from cu_pipeline.core.errors import StoreError
from cu_pipeline.inference.prediction_log.records import (
    FeedbackRecord,
    PredictionRecord,
    Record,
    RefusalRecord,
    ShadowRecord,
    SkippedRecord,
)


class UtcTime(TypeDecorator[datetime]):
    """A moment: with time zone in PostgreSQL, as UTC text that sorts by time in SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Turn to UTC; SQLite's form has no time zone."""
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc


METADATA: Final = sa.MetaData()


def _table(name: str, *columns: sa.Column[Any]) -> sa.Table:
    return sa.Table(name, METADATA, *columns)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _json(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.JSON, nullable=False)


VERSION: Final = _table("schema_version", sa.Column("version", sa.Integer, nullable=False))

PREDICTIONS: Final = _table(
    "predictions",
    sa.Column("request_id", sa.Text, primary_key=True),
    sa.Column("time", UtcTime, nullable=False),
    _text("clip_id"),
    _text("creator"),
    _text("media_sha256"),
    _text("text_sha256"),
    sa.Column("caption", sa.Text),
    sa.Column("replay", sa.Boolean(create_constraint=False), nullable=False),
    *map(_json, ("labels", "probabilities", "versions", "roles", "parts", "facts", "timings")),
    sa.Column("embedding", sa.LargeBinary, nullable=False),
)
sa.Index("predictions_by_time", PREDICTIONS.c.time, PREDICTIONS.c.request_id)

SHADOWS: Final = _table(
    "shadows",
    sa.Column("request_id", sa.Text, primary_key=True),
    sa.Column("capability", sa.Text, primary_key=True),
    sa.Column("time", UtcTime, nullable=False, index=True),
    _text("label"),
    _json("probabilities"),
    _text("version"),
    sa.Column("ms", sa.Double, nullable=False),
    sa.Column("error", sa.Text),
)

FEEDBACK: Final = _table(
    "feedback",
    sa.Column("feedback_id", sa.Text, primary_key=True),
    sa.Column("request_id", sa.Text, nullable=False, index=True),
    sa.Column("time", UtcTime, nullable=False, index=True),
    *map(_text, ("capability", "label", "annotator", "comment")),
)

SKIPPED: Final = _table(
    "skipped",
    sa.Column("request_id", sa.Text, primary_key=True),
    sa.Column("time", UtcTime, nullable=False, index=True),
)

REFUSALS: Final = _table(
    "refusals",
    sa.Column("request_id", sa.Text, primary_key=True),
    sa.Column("time", UtcTime, nullable=False, index=True),
    _text("reason"),
    sa.Column("requests", sa.Integer, nullable=False),
)

TABLES: Final[Mapping[type[Record], sa.Table]] = {
    PredictionRecord: PREDICTIONS,
    ShadowRecord: SHADOWS,
    FeedbackRecord: FEEDBACK,
    SkippedRecord: SKIPPED,
    RefusalRecord: REFUSALS,
}
"""Where each kind of record is; its columns are the record's fields."""


def _create(connection: sa.Connection) -> None:
    """Make the tables that are not there."""
    METADATA.create_all(connection)


MIGRATIONS: Final[list[Callable[[sa.Connection], None]]] = [_create, _create]
"""What brings the tables from each version to the next; the first makes them."""


def migrate(connection: sa.Connection, shown: str) -> None:
    """Bring the tables to the version that this code knows, inside a transaction that nobody else writes in.

    Raises:
        StoreError: the tables are of a later version.
    """
    known = len(MIGRATIONS)
    found = version_of(connection)
    if found > known:
        raise StoreError(
            f"the prediction log {shown} has tables of version {found}, and this version of cu-pipeline knows {known}. "
            "Remedy: use the version that wrote them, or a later one, or name another log"
        )
    for step in MIGRATIONS[found:]:
        step(connection)
    if found < known:
        connection.execute(sa.delete(VERSION))
        connection.execute(sa.insert(VERSION).values(version=known))


def version_of(connection: sa.Connection) -> int:
    """The version of the tables; 0 where there are none."""
    if not sa.inspect(connection).has_table(VERSION.name):
        return 0
    return int(connection.execute(sa.select(VERSION.c.version)).scalar() or 0)


def raw_columns(table: sa.Table, dialect: str) -> list[sa.ColumnElement[Any]]:
    """A table's columns as the database has them: a row with damaged JSON or time must not end the reading."""
    if dialect == "sqlite":
        plain = (sa.JSON, UtcTime, sa.Boolean)
        return [
            sa.type_coerce(column, sa.types.NullType()).label(column.name) if isinstance(column.type, plain) else column
            for column in table.c
        ]
    return [
        sa.cast(column, sa.Text).label(column.name) if isinstance(column.type, sa.JSON) else column
        for column in table.c
    ]


def record_time(value: str | datetime) -> datetime:
    """Read a moment as `raw_columns` has it.

    Raises:
        ValueError: it is damaged.
    """
    return value if isinstance(value, datetime) else datetime.fromisoformat(value).replace(tzinfo=UTC)


def record_of(model: type[Record], row: Mapping[str, Any]) -> Record:
    """Read the record of a row of `raw_columns`.

    Raises:
        ValueError: the row is damaged.
    """
    values = dict(row)
    for column in TABLES[model].c:
        value = values[column.name]
        if isinstance(column.type, sa.JSON):
            if not isinstance(value, str):
                raise ValueError(f"{column.name} holds no JSON")
            values[column.name] = json.loads(value)
        elif isinstance(column.type, UtcTime) and isinstance(value, str):
            values[column.name] = record_time(value)
    record = model.model_validate(values)
    if isinstance(record, PredictionRecord):
        record.vector()
    return record
