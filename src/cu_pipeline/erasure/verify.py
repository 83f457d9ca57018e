"""A search over all stores for what was erased: by the names that somebody gives, and by the tombstones alone."""

import csv
import io
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from cu_pipeline.core.addresses import hide_passwords
from cu_pipeline.core.databases import read_tables
from cu_pipeline.erasure.erase import survey
from cu_pipeline.erasure.holders import dvc_store
from cu_pipeline.erasure.holders.databases import is_sqlite
from cu_pipeline.erasure.identities import Identities
from cu_pipeline.erasure.project import TOMBSTONES, Project, Wanted
from cu_pipeline.erasure.rewriting import PARQUET
from cu_pipeline.erasure.shared import shelves
from cu_pipeline.ingest.tombstones import CLIP, CONTENT, CREATOR, Tombstones, read_tombstones

_WORD: Final = re.compile(rb"[0-9A-Za-z_](?:[0-9A-Za-z_.\-]*[0-9A-Za-z_])?")
_QUOTED: Final = re.compile(rb'"(?:[^"\\\n]|\\.)*"')
_KINDS: Final = (CLIP, CREATOR, CONTENT)
_MEDIA: Final = frozenset({".mp4", ".mov", ".webm", ".mkv", ".png", ".jpg", ".jpeg", ".pyc"})


def search_stores(project: Project, clips: Iterable[str], creators: Iterable[str]) -> Iterator[str]:
    """Tell of each place that holds something, in a line.

    Files are read as what they are: tables decoded, databases by their rows and their bytes, so free pages too.

    Args:
        project: whose stores are searched.
        clips: ids to search for by name.
        creators: names, likewise.
    """
    given = Identities(clips=frozenset(clips), creators=frozenset(creators))
    if given:
        for held in survey(project, Wanted(given)):
            yield f"{held.holder}: {held.place.what}: {held.place.count:,}"
    tombstones = read_tombstones(project.root / TOMBSTONES)
    if not tombstones.entries:
        return
    seen: dict[str, str] = {}
    for name, words in _stores(project):
        for told in sorted({seen.setdefault(word, _told(word, tombstones)) for word in words} - {""}):
            yield f"{name}: {told}"


def _told(word: str, tombstones: Tombstones) -> str:
    return next((tombstones.short(kind, word) for kind in _KINDS if tombstones.knows(kind, word)), "")


def _stores(project: Project) -> Iterator[tuple[str, Iterable[str]]]:
    """List each file and stored content with the words in it."""
    for path in project.stored():
        name = project.name(path)
        yield name, _words(name.encode())
        if path.suffix.lower() in _MEDIA:
            continue
        if is_sqlite(path):
            yield name, _values(path)
        yield name, words_of(path.read_bytes(), path.suffix)
    for name, content in dvc_store.all_contents(project):
        yield name, words_of(content, "")
    for path in project.copies():
        yield project.name(path), words_of(path.read_bytes(), "")
    yield from _shared(project)
    for server in project.studio() if project.studio else ():
        for task in server.tasks():
            yield f"Label Studio {server.place}: task {task['id']}", words_of(json.dumps(task["data"]).encode(), "")


def _shared(project: Project) -> Iterator[tuple[str, Iterable[str]]]:
    """List what lies on shared places, also what does not count there, and rows of servers' databases."""
    for shelf in shelves(project):
        for name in sorted(shelf.listing()):
            place = f"{shelf.address}/{name}"
            yield place, _words(name.encode())
            if Path(name).suffix.lower() not in _MEDIA and (content := shelf.read(name)) is not None:
                yield place, words_of(content, Path(name).suffix)
    servers = {log for log in (*project.prediction_logs, project.database or "") if "://" in log}
    for address in sorted(servers):
        for table, rows in read_tables(address):
            yield f"{hide_passwords(address)}: {table}", words_of(b"\n".join(rows), ".jsonl")


def words_of(content: bytes, suffix: str) -> set[str]:
    """List the distinct values and words of a file's content."""
    if content.startswith(PARQUET):
        return _cells(content)
    found = _words(content)
    if suffix == ".csv":
        with suppress(ValueError, csv.Error):
            found |= {cell for row in csv.reader(io.StringIO(content.decode())) for cell in row}
        return found
    for quoted in set(_QUOTED.findall(content)):
        with suppress(ValueError):
            found.add(str(json.loads(quoted)))
    return found


def _words(content: bytes) -> set[str]:
    """Words, and their parts where one of several is a name: `creator:ann`, `ID-200.jpg`."""
    found = set(_WORD.findall(content))
    parts = {part for word in found for part in re.split(rb"[.\-]", word)}
    return {word.decode() for word in found | parts if word}


def _cells(content: bytes) -> set[str]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found: set[str] = set()
    try:
        table = pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError):
        return _words(content)
    for column in table.columns:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            values = [one for one in pc.unique(column).to_pylist() if one]
            found |= set(values) | _words("\n".join(values).encode("utf-8", "surrogatepass"))
    return found


def _values(path: Path) -> set[str]:
    found: set[str] = set()
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            with suppress(sqlite3.Error):
                for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608
                    found |= {value for value in row if isinstance(value, str)}
    return found | _words("\n".join(found).encode("utf-8", "replace"))
