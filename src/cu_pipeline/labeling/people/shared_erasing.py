"""Taking words about somebody out of the lines that people share, for good: no copy of a line brings them back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from cu_pipeline.core.databases import connect, failures_told
from cu_pipeline.labeling.people.shared_log import APPENDING, ERASED_TABLE, hash_of, is_there

if TYPE_CHECKING:
    import psycopg

Rows = list[tuple[int, str, bytes]]
Cleaning = Callable[[bytes], bytes]
"""Gives what stays of a line; nothing: the line goes."""


def read_rows(address: str) -> Rows:
    """List number, log and line of all that is shared.

    Raises:
        StoreError: the database cannot be used.
    """
    with _connected(address) as connection:
        return _rows(connection)


def is_unfinished(address: str) -> bool:
    """Tell whether bytes of erased lines may still lie in the table's file, as a process was killed.

    Raises:
        StoreError: the database cannot be used.
    """
    with _connected(address) as connection:
        if not is_there(connection, "people_lines_erased"):
            return False
        found = connection.execute("SELECT EXISTS (SELECT FROM people_lines_erased WHERE NOT vacuumed)").fetchone()
        return bool(found and found[0])


def erase_lines(address: str, cleaned: Cleaning) -> None:
    """Change or remove lines, remember salted hashes of what they were, and write the table anew.

    Clones have copies of the lines as files, and `append` takes over what the database lacks: by these hashes it
    knows what was erased.

    Raises:
        StoreError: the database cannot be used; what was not done can be done again.
    """
    salt = token_hex(16)
    with _connected(address) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [APPENDING])
        connection.execute(ERASED_TABLE)
        for number, log, line in _rows(connection):
            if (left := cleaned(line)) == line:
                continue
            remember = "INSERT INTO people_lines_erased (log, salt, hash) VALUES (%s, %s, %s)"
            connection.execute(remember, [log, salt, hash_of(salt, line)])
            if left:
                connection.execute("UPDATE people_lines SET line = %s WHERE number = %s", [left.decode(), number])
            else:
                connection.execute("DELETE FROM people_lines WHERE number = %s", [number])
    with _connected(address, autocommit=True) as connection:
        if is_there(connection, "people_lines"):
            connection.execute("VACUUM (FULL, ANALYZE) people_lines")
        connection.execute("UPDATE people_lines_erased SET vacuumed = true WHERE NOT vacuumed")


def _rows(connection: "psycopg.Connection[Any]") -> Rows:
    if not is_there(connection, "people_lines"):
        return []
    found = connection.execute("SELECT number, log, line FROM people_lines ORDER BY number")
    return [(number, log, line.encode()) for number, log, line in found]


@contextmanager
def _connected(address: str, *, autocommit: bool = False) -> "Iterator[psycopg.Connection[Any]]":
    with failures_told(address, "people's answers"), connect(address, "erasure", autocommit=autocommit) as connection:
        yield connection
