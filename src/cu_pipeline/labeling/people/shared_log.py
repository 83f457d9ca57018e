"""Lines that only grow in the database that people share, of which the file in a project is a copy."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cu_pipeline.core.actor import actor
from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.databases import connect, failures_told
from cu_pipeline.core.json_lines import read_lines

if TYPE_CHECKING:
    import psycopg

APPENDING: Final = 0x6C61626C
"""Key of the lock by which those who append take turns, so that the order of lines is that of their transactions."""

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS people_lines (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, log text NOT NULL, line text NOT NULL,
    actor text NOT NULL, added timestamptz NOT NULL DEFAULT now()
)
"""

ERASED_TABLE: Final = """
CREATE TABLE IF NOT EXISTS people_lines_erased (
    log text NOT NULL, salt text NOT NULL, hash text NOT NULL, vacuumed boolean NOT NULL DEFAULT false
)
"""
"""What lines were before somebody was erased from them, by salted hashes: copies of them in files do not count."""


class SharedLines:
    """The lines of one log; all clones of a project see the same.

    A line of the file that the database lacks was written while there was none: it counts, and the next `append` takes
    it over.

    Args:
        address: of the database.
        path: the file; its name is the log's.
    """

    def __init__(self, address: str, path: Path) -> None:
        self._address, self._path = address, path

    def read(self) -> list[bytes]:
        """Read all lines in order, those of the file that the database lacks last.

        Raises:
            StoreError: the database cannot be used.
        """
        with self._connected() as connection:
            known = self._stored(connection) if is_there(connection, "people_lines") else []
            lacking = self._lacking(connection, known)
        return [*known, *lacking]

    def append(self, lines: Iterable[str]) -> None:
        """Add lines in one transaction, which is on the server's disk when this returns; then renew the file.

        Raises:
            StoreError: the database cannot be used; none of the lines is in it.
            NoSpaceError: the file cannot be written; the lines are in the database.
        """
        with self._connected() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [APPENDING])
            connection.execute(_TABLE)
            known = self._stored(connection)
            new = [*self._lacking(connection, known), *(line.encode() for line in lines)]
            rows = [(self._path.name, line.decode(), actor()) for line in new]
            with connection.cursor() as cursor:
                cursor.executemany("INSERT INTO people_lines (log, line, actor) VALUES (%s, %s, %s)", rows)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(line.decode() + "\n" for line in [*known, *new])
        if not self._path.is_file() or self._path.read_bytes() != text.encode():
            write_text(self._path, text)

    def _stored(self, connection: "psycopg.Connection[Any]") -> list[bytes]:
        wanted = "SELECT line FROM people_lines WHERE log = %s ORDER BY number"
        return [line.encode() for (line,) in connection.execute(wanted, [self._path.name])]

    def _lacking(self, connection: "psycopg.Connection[Any]", known: list[bytes]) -> list[bytes]:
        """The lines of the file that the database lacks, but for those that were erased there."""
        have = set(known)
        lacking = [line for line in read_lines(self._path) if line not in have]
        if not lacking or not is_there(connection, "people_lines_erased"):
            return lacking
        wanted = "SELECT salt, hash FROM people_lines_erased WHERE log = %s"
        erased: dict[str, set[str]] = defaultdict(set)
        for salt, told in connection.execute(wanted, [self._path.name]):
            erased[salt].add(told)
        return [line for line in lacking if not any(hash_of(salt, line) in told for salt, told in erased.items())]

    @contextmanager
    def _connected(self) -> "Iterator[psycopg.Connection[Any]]":
        with failures_told(self._address, self._path.name), connect(self._address, "labels") as connection:
            yield connection


def hash_of(salt: str, line: bytes) -> str:
    """What an erased line is remembered by."""
    return sha256(salt.encode() + line).hexdigest()


def is_there(connection: "psycopg.Connection[Any]", name: str) -> bool:
    """Tell whether the database has a table."""
    found = connection.execute("SELECT to_regclass(%s)", [name]).fetchone()
    return bool(found and found[0])
