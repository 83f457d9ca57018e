"""Other SQLite files, such as MLflow's: values that name an erased clip, and the free pages that still hold any."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from cu_pipeline.erasure.needles import SHORTEST
from cu_pipeline.erasure.project import Place, Project, Wanted
from cu_pipeline.erasure.rewriting import SQLITE
from cu_pipeline.ingest.capture_index import INDEX

_BUSY_S = 30


def find(project: Project, wanted: Wanted) -> Iterator[Place]:
    """Databases in which a value or a free page tells of an erased clip."""
    for path in project.stored():
        if path.name == INDEX or not is_sqlite(path):
            continue
        rows = sum(len(found) for *_, found in _values(path, wanted))
        if rows or in_bytes(path, wanted):
            yield Place(
                project.name(path), max(rows, 1), path.stat().st_size, "rewritten", partial(_clean, path, wanted)
            )


def is_sqlite(path: Path) -> bool:
    """Whether a file is a database of SQLite."""
    with path.open("rb") as stream:
        return stream.read(len(SQLITE)) == SQLITE


def in_bytes(path: Path, wanted: Wanted) -> int:
    """Count what the bytes of a database and its write-ahead log hold: values stand there without gaps."""
    count = 0
    for name in (path, path.with_name(f"{path.name}-wal")):
        if name.is_file():
            found = wanted.identities.needles.find(name.read_bytes(), whole=False)
            count += sum(len(needle) >= 2 * SHORTEST for _, needle in found)
    return count


def _values(path: Path, wanted: Wanted) -> Iterator[tuple[str, str, set[str]]]:
    """List table, column and the values that tell of an erased clip."""
    with closing(sqlite3.connect(path, timeout=_BUSY_S)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            try:
                columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
            except sqlite3.Error:  # a virtual table of an extension that is not here
                continue
            for column in columns:
                query = f'SELECT DISTINCT "{column}" FROM "{table}" WHERE typeof("{column}") = \'text\''  # noqa: S608
                values = [row[0] for row in connection.execute(query) if row[0]]
                if found := wanted.identities.touched(values, column):
                    yield table, column, found


def _clean(path: Path, wanted: Wanted) -> None:
    """Put pseudonyms in the place of values, and write the file anew, so that no free page holds what they were."""
    found = list(_values(path, wanted))
    with closing(sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("BEGIN IMMEDIATE")
        for table, column, values in found:
            update = f'UPDATE "{table}" SET "{column}" = ? WHERE "{column}" = ?'  # noqa: S608
            connection.executemany(update, [(_masked(value, wanted), value) for value in sorted(values)])
        connection.execute("COMMIT")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _masked(value: str, wanted: Wanted) -> str:
    """A value with the names in it replaced; the whole of it where it is none that is looked for inside others."""
    parts, end, content = [], 0, value.encode()
    for place, needle in wanted.identities.needles.find(content):
        if place >= end:
            parts += [content[end:place], wanted.pseudonyms.of(needle.decode()).encode()]
            end = place + len(needle)
    return b"".join([*parts, content[end:]]).decode() if parts else wanted.pseudonyms.of(value)
