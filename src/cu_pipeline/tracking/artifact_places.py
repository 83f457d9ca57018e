"""Places of MLflow's artifacts, which its database keeps as absolute paths, in a project that was moved or copied."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlparse

from cu_pipeline.core.errors import ConfigurationError

ARTIFACTS: Final = "artifacts"
"""Folder beside the database that the project's experiment keeps its artifacts in."""

_COLUMNS: Final = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("trace_tags", "value"),
    ("trace_request_metadata", "value"),
    ("workspaces", "trace_archival_location"),
    ("tags", "value"),
)
"""Columns in which MLflow keeps places of files."""

_WAIT_S: Final = 20.0


def update_artifact_places(database: Path, experiment: str) -> None:
    """Let a database that was moved or copied with its folder name its own folder's artifacts, not the former's.

    So artifacts are found at the new place, and a copy never writes into its original. Where the experiment keeps
    its artifacts in another kind of place, such as a bucket, nothing changes.

    Args:
        database: MLflow's SQLite file, with the artifacts in a folder beside it; it may be absent.
        experiment: name of the experiment that tells the former place.

    Raises:
        ConfigurationError: the database cannot be read or changed, such as while another program keeps it locked.
    """
    if not database.is_file():
        return
    try:
        with closing(sqlite3.connect(database, timeout=_WAIT_S)) as connection:
            former = _former_folder(connection, experiment)
            if former is not None and former != database.parent:
                with connection:
                    _replace(connection, former, database.parent)
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return  # no database of MLflow's; it says so itself
        raise ConfigurationError(
            f"{database} cannot be brought to the place that it was moved or copied to ({error}). Remedy: end programs "
            "that keep it locked, such as `make ui`, let it be written, and run again"
        ) from error
    except sqlite3.DatabaseError:
        return  # damaged; MLflow says so itself


def _former_folder(connection: sqlite3.Connection, experiment: str) -> Path | None:
    """Find the folder in which the experiment says its artifacts are; None where that is no such folder."""
    found = connection.execute("SELECT artifact_location FROM experiments WHERE name = ?", [experiment]).fetchone()
    address = urlparse(found[0] or "") if found else None
    if address is None or address.scheme != "file" or address.netloc:
        return None
    folder = Path(unquote(address.path))
    return folder.parent if folder.name == ARTIFACTS else None


def _replace(connection: sqlite3.Connection, former: Path, present: Path) -> None:
    forms = [(former.as_uri(), present.as_uri()), (str(former), str(present))]
    for table, column in _present_columns(connection):
        for before, after in forms:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 - names from a constant
                f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                [after, len(before) + 1, before, len(before) + 1, before + "/"],
            )


def _present_columns(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    for table, column in _COLUMNS:
        if column in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}:
            yield table, column
