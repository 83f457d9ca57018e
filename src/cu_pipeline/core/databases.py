"""The PostgreSQL database that a team shares, and addresses of such databases."""

import os
import re
from typing import TYPE_CHECKING, Final

from cu_pipeline.core.addresses import hide_passwords
from cu_pipeline.core.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy import URL

VARIABLE: Final = "CU_PIPELINE_DATABASE_URL"
"""Environment variable with the address of the database that a project's people share; unset: files of the project."""

CONNECTION: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""So that a server that vanished is noticed within seconds."""

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
