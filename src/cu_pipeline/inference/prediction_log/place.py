"""Where a prediction log is: a folder with a SQLite file, or a PostgreSQL database and a folder for its spool."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cu_pipeline.core.addresses import hide_passwords
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.paths import project_root

if TYPE_CHECKING:
    from sqlalchemy import URL

VARIABLE: Final = "CU_PIPELINE_PREDICTION_LOG"
SPOOL_VARIABLE: Final = "CU_PIPELINE_LOG_SPOOL"
DEFAULT: Final = Path("data/07_model_output/prediction_log")
FILE: Final = "predictions.db"

_PASSWORD: Final = re.compile(r"\{(\w+)\}")
_REMEDY: Final = "give a folder, or postgresql+psycopg://USER:{VARIABLE}@HOST/DATABASE"


def default_place() -> str:
    """The log that this project's service writes: what the environment names, else a folder of its data."""
    return os.environ.get(VARIABLE) or str(project_root() / DEFAULT)


@dataclass(frozen=True)
class Place:
    """A prediction log's database and folders.

    Attributes:
        shown: its name for people; no password.
        folder: of a log with a SQLite file, and where earlier versions keep files by day; None for a server's.
        spool: folder of the spool.
        url: of the database.
    """

    shown: str
    folder: Path | None
    spool: Path
    url: "URL"

    @classmethod
    def of(cls, place: str | Path, spool: str = "") -> "Place":
        """Understand what a setting names.

        Args:
            place: a folder, or a URL of PostgreSQL, whose password may be `{NAME}`, for the content of the environment
                variable NAME.
            spool: another folder for spools; "": what the environment names, so that readers look there too, or the
                usual one.

        Raises:
            ConfigurationError: it is neither, its driver is not installed, or its variable is not set.
        """
        from sqlalchemy import URL

        if "://" not in str(place):
            folder = Path(os.path.abspath(Path(place).expanduser()))  # noqa: PTH100 - links stay
            url = URL.create("sqlite+pysqlite", database=str(folder / FILE))
            return cls(str(folder), folder, _spool(spool, str(folder)) or folder / "spool", url)
        url = _server(str(place))
        shown = url.render_as_string(hide_password=True)
        return cls(shown, None, _spool(spool, shown) or _own(project_root() / DEFAULT, shown), url)

    @property
    def file(self) -> Path | None:
        """The SQLite file; None for a server."""
        return self.folder / FILE if self.folder else None


def _spool(asked: str, shown: str) -> Path | None:
    folder = asked or os.environ.get(SPOOL_VARIABLE, "")
    return _own(Path(folder), shown) if folder else None


def _own(folder: Path, shown: str) -> Path:
    """A folder of one log, so that no other log's database gets its lines."""
    return folder / f"spool-{text_sha256(shown)[:12]}"


def _server(address: str) -> "URL":
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    told = hide_passwords(address)
    try:
        url = make_url(address)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError(f"prediction log {told!r} is no database URL: {_REMEDY}") from error
    if url.drivername not in {"postgresql", "postgresql+psycopg"}:
        raise ConfigurationError(f"prediction log {told!r}: {url.drivername} is not supported; {_REMEDY}")
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        remedy = "pip install 'cu-pipeline[postgres]'"
        raise ConfigurationError(f"prediction log {told!r} needs a driver ({error}). Remedy: {remedy}") from error
    if url.password and (match := _PASSWORD.fullmatch(url.password)):
        if (password := os.environ.get(match[1])) is None:
            raise ConfigurationError(
                f"prediction log {told!r}: there is no environment variable {match[1]}. Remedy: export {match[1]}=…"
            )
        url = url.set(password=password)
    return url.set(drivername="postgresql+psycopg")
