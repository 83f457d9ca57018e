"""Where the records of a log are read from: lines that wait, and rows."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Any, Final

from cu_pipeline.core.errors import StoreError
from cu_pipeline.inference.prediction_log.day_files import day_files
from cu_pipeline.inference.prediction_log.place import Place
from cu_pipeline.inference.prediction_log.spool import PATTERN

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

    from cu_pipeline.inference.prediction_log.database import Database

AT_ONCE: Final = 1000
"""Rows that are held at once while they are read."""


def open_files(place: Place, stack: ExitStack) -> Iterator[IO[bytes]]:
    """Open what waits: it can be read to its end also when it is moved meanwhile."""
    for path in [*day_files(place.folder), *sorted(place.spool.glob(PATTERN))]:
        try:
            yield stack.enter_context(path.open("rb"))
        except FileNotFoundError:  # it was moved: the database, which is asked later, has it
            continue


@contextmanager
def opened(place: Place) -> Iterator["Database | None"]:
    """Open the database; None where there is none yet.

    Raises:
        StoreError: it cannot be used, now or in the block.
    """
    if place.file is not None and not place.file.is_file():
        yield None
        return
    from cu_pipeline.inference.prediction_log.database import Database

    database = Database(place)
    try:
        with _told(place):
            database.prepare()
            yield database
    finally:
        database.close()


@contextmanager
def connected(place: Place) -> Iterator["Connection | None"]:
    """Open a view of the database; None where there is none yet.

    Raises:
        StoreError: it cannot be read, now or in the block.
    """
    with opened(place) as database:
        if database is None:
            yield None
        else:
            with database.reading() as connection:
                yield connection


@contextmanager
def _told(place: Place) -> Iterator[None]:
    """Tell what a database finds wrong, without its password."""
    from sqlalchemy.exc import SQLAlchemyError

    from cu_pipeline.inference.prediction_log.database import in_words

    try:
        yield
    except SQLAlchemyError as error:
        raise StoreError(
            f"the prediction log {place.shown} cannot be read ({in_words(error)}). Remedy: see that the database runs "
            "and that its user may read; where the file is damaged, put it aside: the service makes a new one"
        ) from error


def stored(connection: "Connection", model: type[Any], wanted: "Select[Any]") -> Iterator[Any]:
    """Read rows as records, a part at a time; None for one that is damaged."""
    from cu_pipeline.inference.prediction_log.schema import record_of

    streamed = connection.execution_options(stream_results=True, yield_per=AT_ONCE)
    for row in streamed.execute(wanted).mappings():
        try:
            yield record_of(model, dict(row))
        except (ValueError, TypeError):
            yield None
