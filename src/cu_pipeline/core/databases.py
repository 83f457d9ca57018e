"""The PostgreSQL database that a team shares, and addresses of such databases."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from cu_pipeline.core.addresses import hide_passwords
from cu_pipeline.core.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import URL

VARIABLE: Final = "CU_PIPELINE_DATABASE_URL"
"""Environment variable with the address of the database that a project's people share; unset: files of the project."""

CONNECTION: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""So that a server that vanished is noticed within seconds."""

PURPOSE: Final = "shared database"

_PASSWORD: Final = re.compile(r"\{(\w+)\}")
_FORM: Final = "postgresql+psycopg://USER:{VARIABLE}@HOST/DATABASE"


def shared_database() -> str | None:
    """The address of the database that the project's people share; None where there is none."""
    return os.environ.get(VARIABLE) or None


def server_url(address: str, purpose: str, otherwise: str = "") -> "URL":
    """Understand the address of a PostgreSQL database.

    Args:
        address: as `postgresql+psycopg://USER:{VARIABLE}@HOST/DATABASE`, where the environment variable VARIABLE holds
            the password; or with the password itself.
        purpose: what it is for, in words.
        otherwise: what may be given in its place, with a comma and a blank after it.

    Raises:
        ConfigurationError: it is no such address, its driver is not installed, or its variable is not set.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    told, remedy = f"{purpose} {hide_passwords(address)!r}", f"give {otherwise}{_FORM}"
    try:
        url = make_url(address)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError(f"{told} is no database URL: {remedy}") from error
    if url.drivername not in {"postgresql", "postgresql+psycopg"}:
        raise ConfigurationError(f"{told}: {url.drivername} is not supported; {remedy}")
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        install = "pip install 'cu-pipeline[postgres]'"
        raise ConfigurationError(f"{told} needs a driver ({error}). Remedy: {install}") from error
    if url.password and (match := _PASSWORD.fullmatch(url.password)):
        if (password := os.environ.get(match[1])) is None:
            raise ConfigurationError(
                f"{told}: there is no environment variable {match[1]}. Remedy: export {match[1]}=…"
            )
        url = url.set(password=password)
    return url.set(drivername="postgresql+psycopg")


def connect(address: str, name: str, *, autocommit: bool = False) -> "psycopg.Connection[tuple[Any, ...]]":
    """Begin a session of the database that people share.

    Args:
        address: of the database.
        name: of the session, for those who look at the server.
        autocommit: whether each statement is a transaction.

    Raises:
        ConfigurationError: the address is none, or its driver is not installed.
        psycopg.Error: it cannot be reached.
    """
    plain = server_url(address, PURPOSE).set(drivername="postgresql").render_as_string(hide_password=False)
    import psycopg

    return psycopg.connect(plain, autocommit=autocommit, application_name=f"cu-pipeline {name}", **CONNECTION)


@contextmanager
def failures_told(address: str, of: str) -> Iterator[None]:
    """Tell what the shared database finds wrong, without its password.

    Args:
        address: of the database.
        of: what is kept there, in words.

    Raises:
        StoreError: it cannot be used.
    """
    shown = server_url(address, PURPOSE).render_as_string(hide_password=True)
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise StoreError(
            f"{of} in the shared database {shown} cannot be used ({in_one_line(error)}). Remedy: start it, or correct "
            f"{VARIABLE}"
        ) from error


def read_tables(address: str) -> Iterator[tuple[str, list[bytes]]]:
    """List the tables of a database, each with its rows as JSON.

    Raises:
        StoreError: it cannot be used.
    """
    with failures_told(address, "tables"), connect(address, "search") as connection:
        import psycopg

        named = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1"
        for (name,) in connection.execute(named).fetchall():
            wanted = psycopg.sql.SQL("SELECT to_jsonb(t)::text FROM {} t").format(psycopg.sql.Identifier(name))
            yield name, [row.encode() for (row,) in connection.execute(wanted)]


def in_one_line(error: Exception) -> str:
    """What a database says first, without passwords."""
    said = str(error).strip().splitlines() or [type(error).__name__]
    return hide_passwords(said[0])
