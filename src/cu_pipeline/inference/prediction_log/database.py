"""The database of the prediction log: SQLite beside the spool, or PostgreSQL, through SQLAlchemy's core."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.dialects import postgresql, sqlite

from cu_pipeline.core.databases import CONNECTION
from cu_pipeline.core.errors import StoreError
from cu_pipeline.inference.prediction_log.place import Place
from cu_pipeline.inference.prediction_log.records import Record
from cu_pipeline.inference.prediction_log.schema import MIGRATIONS, PREDICTIONS, SKIPPED, TABLES, migrate, version_of

BUSY_S: Final = 10
_MIGRATING: Final = 0x70726564
"""Key of PostgreSQL's lock that those who make the tables take turns by."""

ROW_ERRORS: Final = (exc.DataError, exc.IntegrityError)
"""What the database says of a row that it cannot hold, not of itself."""

UNAVAILABLE: Final = (exc.SQLAlchemyError, OSError)


class Database:
    """Records in tables; all that is written may be written again without effect.

    Nothing is opened before it is needed. Threads may use it at the same time.

    Args:
        place: of the log.
        fsync: keep what was committed also when the machine loses its power.
    """

    def __init__(self, place: Place, *, fsync: bool = False) -> None:
        self._shown = place.shown
        self._engine = _sqlite(place, fsync=fsync) if place.folder else _postgresql(place)
        self._file = place.file
        self._prepared: tuple[int, int] | None = None

    def prepare(self) -> None:
        """Bring the tables to this code's version, once for this process and file.

        Raises:
            StoreError: they are of a later version.
            sqlalchemy.exc.SQLAlchemyError: the database cannot be reached.
        """
        if self._prepared is not None and self._prepared == self._identity():
            return
        if self._file is not None:
            self._engine.dispose()  # its connections may be of a file that was removed
            self._file.parent.mkdir(parents=True, exist_ok=True)
        with self.reading() as connection:
            current = version_of(connection) == len(MIGRATIONS)
        if not current:
            self._migrate()
        self._prepared = self._identity()

    def add(self, records: Sequence[Record]) -> list[Record]:
        """Insert records in one transaction; those that are known are left as they are.

        Returns:
            Those that the database cannot hold, one by one; the others are in it.
        """
        self.prepare()
        try:
            self._insert(records)
        except (*ROW_ERRORS, exc.StatementError, OverflowError) as error:
            if isinstance(error, exc.DBAPIError) and not isinstance(error, ROW_ERRORS):
                self._prepared = None  # the tables may be gone, or of a backup
                raise
            return list(records) if len(records) == 1 else [bad for one in records for bad in self.add([one])]
        return []

    def knows(self, request_id: str) -> bool:
        """Whether a request was answered."""
        self.prepare()
        with self.reading() as connection:
            return any(
                connection.execute(sa.select(table.c.request_id).where(table.c.request_id == request_id)).first()
                for table in (PREDICTIONS, SKIPPED)
            )

    def count(self, before: datetime) -> int:
        """Count the rows of before a moment."""
        self.prepare()
        with self.reading() as connection:
            queries = [
                sa.select(sa.func.count()).select_from(one).where(one.c.time < before) for one in TABLES.values()
            ]
            return sum(connection.execute(query).scalar_one() for query in queries)

    def purge(self, before: datetime, most: int) -> int:
        """Remove records of before a moment, at most so many of each kind; tell how many went."""
        self.prepare()
        removed = 0
        for table in TABLES.values():
            keys = list(table.primary_key.columns)
            old = sa.select(*keys).where(table.c.time < before).order_by(table.c.time).limit(most)
            with self._writing() as connection:
                removed += connection.execute(sa.delete(table).where(sa.tuple_(*keys).in_(old))).rowcount
        if removed and self._engine.dialect.name == "sqlite":
            with self._engine.connect() as connection:
                plain: Any = connection.connection.driver_connection
                plain.execute(f"PRAGMA incremental_vacuum({most})").fetchall()  # a page for each row that is fetched
        return removed

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One view of the tables, however long the reading takes."""
        options: dict[str, Any] = {}
        if self._engine.dialect.name == "postgresql":
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self._engine.connect().execution_options(**options) as connection:
            yield connection

    def close(self) -> None:
        """End the connections."""
        self._engine.dispose()

    def _identity(self) -> tuple[int, int] | None:
        """What tells a SQLite file from one that has taken its place, None where there is none; a server has one."""
        try:
            state = self._file.stat() if self._file is not None else None
        except FileNotFoundError:
            return None
        return (state.st_dev, state.st_ino) if state else (0, 0)

    def _migrate(self) -> None:
        with self._writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
            migrate(connection, self._shown)

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._engine.connect().execution_options(immediate=True) as connection, connection.begin():
            yield connection

    def _insert(self, records: Sequence[Record]) -> None:
        rows: dict[type[Record], list[dict[str, Any]]] = defaultdict(list)
        for record in records:
            rows[type(record)].append(dict(record))
        insert = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert
        with self._writing() as connection:
            for model, found in rows.items():
                connection.execute(insert(TABLES[model]).on_conflict_do_nothing(), found)


def in_words(error: Exception) -> str:
    """What a database says is wrong, in one line without passwords or SQL."""
    if isinstance(error, StoreError):
        return str(error)
    said = str(getattr(error, "orig", None) or error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {said[0]}"


def _postgresql(place: Place) -> sa.Engine:
    return sa.create_engine(
        place.url, pool_size=2, max_overflow=2, pool_timeout=BUSY_S, pool_pre_ping=True, connect_args=CONNECTION
    )


def _sqlite(place: Place, *, fsync: bool) -> sa.Engine:
    engine = sa.create_engine(place.url, connect_args={"timeout": BUSY_S}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions begin below, and nowhere else
        connection.execute(f"PRAGMA synchronous={'FULL' if fsync else 'NORMAL'}")
        connection.execute("PRAGMA secure_delete=ON")
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA journal_mode=WAL")

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        immediate = connection.get_execution_options().get("immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
