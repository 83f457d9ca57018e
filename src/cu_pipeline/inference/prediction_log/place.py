"""Where a prediction log is: a folder with a SQLite file, or a PostgreSQL database and a folder for its spool."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cu_pipeline.core.databases import server_url, shared_database
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.paths import project_root

if TYPE_CHECKING:
    from sqlalchemy import URL

VARIABLE: Final = "CU_PIPELINE_PREDICTION_LOG"
SPOOL_VARIABLE: Final = "CU_PIPELINE_LOG_SPOOL"
DEFAULT: Final = Path("data/07_model_output/prediction_log")
FILE: Final = "predictions.db"


def default_place() -> str:
    """The log that this project's service writes.

    It is what the environment names for it, else the database that people share, else a folder of the project's data.
    """
    return os.environ.get(VARIABLE) or shared_or(project_root() / DEFAULT)


def shared_or(folder: Path) -> str:
    """The log in the database that people share; where there is none, in a folder."""
    return shared_database() or str(folder)


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
        url = server_url(str(place), "prediction log", "a folder, or ")
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
