"""Clips in a database."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd

from cu_pipeline.core.addresses import is_address, local_path
from cu_pipeline.core.errors import ManifestError
from cu_pipeline.core.paths import from_stored, project_root, to_stored
from cu_pipeline.ingest.columns import known_columns
from cu_pipeline.ingest.manifest import check_columns, to_frame
from cu_pipeline.media.options import Limits

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

BATCH: Final = 10_000
"""Rows that are held at once while they are read."""

EXTRAS: Final = {"postgresql": "postgres"}
"""Extras of this package that bring a database's driver."""

_VARIABLE: Final = re.compile(r"\{(\w+)\}")
_TABLE: Final = re.compile(r"\w+(?:\.\w+)?")
_REMEDY: Final = (
    "Remedy: write sql:URL#TABLE, sql:URL#query.sql or sql:URL#SELECT …, such as sql:sqlite:///feed.db#clips"
)


def read_sql(place: str, limits: Limits) -> pd.DataFrame:  # noqa: ARG001 - Feed
    """Read what a query gives, whose columns are a manifest's. The database is only read.

    Args:
        place: `URL#QUERY`: a URL of SQLAlchemy, whose password is `{NAME}` for the content of the environment variable
            NAME; and a table's name, a file that ends in `.sql`, or a SELECT. A SQLite file and relative media paths
            are seen from the project's root.
        limits: unused.

    Raises:
        ManifestError: the database cannot be reached or refuses the query, it gives no rows or no column of use, or a
            driver is not installed.
    """
    address, _, wanted = place.partition("#")
    url = _url(address)
    with _told(address, url), _connected(url) as connection:
        as_it_is = connection.execution_options(stream_results=True, no_parameters=True)
        result = as_it_is.exec_driver_sql(_query(wanted, connection))
        names = list(result.keys())
        rows = to_frame(dict(zip(names, row, strict=True)) for part in result.partitions(BATCH) for row in part)
    rows = known_columns(rows, f"sql {place!r}")
    check_columns(f"sql {place!r}", rows.columns, len(rows))
    return rows.assign(path=[_stored(path.strip()) for path in rows.get("path", [""] * len(rows))])


def _url(address: str) -> "URL":
    """Build a SQLAlchemy URL with its password, and with a SQLite file that is opened for reading only."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(address)
    except (ArgumentError, ValueError) as error:
        raise ManifestError(f"sql {address!r} is no database URL. {_REMEDY}") from error
    if url.password and (match := _VARIABLE.fullmatch(url.password)):
        if (password := os.environ.get(match[1])) is None:
            remedy = f"Remedy: export {match[1]}=…"
            raise ManifestError(f"sql {address!r}: there is no environment variable {match[1]}. {remedy}")
        url = url.set(password=password)
    if url.get_backend_name() != "sqlite":
        return url
    file = from_stored(str(Path(url.database or "").expanduser()))
    if not file.is_file():
        raise ManifestError(f"sql {address!r}: there is no database file {str(file)!r}. {_REMEDY}")
    return url.set(database=file.as_uri(), query={"mode": "ro", "uri": "true"})


@contextmanager
def _connected(url: "URL") -> Iterator["Connection"]:
    """Open a connection that may only read, where the database knows that, and never commits."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    engine = create_engine(url, poolclass=NullPool)
    only_reading = {"postgresql_readonly": True} if engine.dialect.name == "postgresql" else {}
    with engine.connect().execution_options(**only_reading) as connection:
        yield connection


def _query(wanted: str, connection: "Connection") -> str:
    if wanted.endswith(".sql"):
        return from_stored(str(Path(wanted).expanduser())).read_text(encoding="utf-8")
    if _TABLE.fullmatch(wanted):
        quote = connection.dialect.identifier_preparer.quote
        return f"SELECT * FROM {'.'.join(map(quote, wanted.split('.')))}"  # noqa: S608 - a name, quoted
    if not re.match(r"\s*(select|with|values|table)\b", wanted, re.IGNORECASE):
        raise ManifestError(f"{wanted!r} is neither a table, a .sql file nor a SELECT. {_REMEDY}")
    return wanted


@contextmanager
def _told(address: str, url: "URL") -> Iterator[None]:
    """Tell what a database or its driver finds wrong, without the password."""
    try:
        yield
    except ManifestError:
        raise
    except ImportError as error:
        extra = EXTRAS.get(url.get_backend_name())
        remedy = f"pip install 'cu-pipeline[{extra}]'" if extra else "install the driver that SQLAlchemy's pages name"
        raise ManifestError(f"sql {address!r} needs a driver ({error}). Remedy: {remedy}") from error
    except Exception as error:  # SQLAlchemy's, and drivers' own
        seen = str(getattr(error, "orig", None) or error)
        seen = seen.replace(url.password, "***") if isinstance(url.password, str) and url.password else seen
        raise ManifestError(f"sql {address!r} cannot be read: {type(error).__name__}: {seen}") from None


def _stored(path: str) -> str:
    path = local_path(path)
    return path if not path or is_address(path) else to_stored(project_root() / path)
