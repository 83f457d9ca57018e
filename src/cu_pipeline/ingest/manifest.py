"""Clips in a manifest, and the form of rows that all feeds give."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Final

import pandas as pd

from cu_pipeline.core.addresses import folder_of, is_address, join_address, local_path, scheme_of, without_query
from cu_pipeline.core.errors import ManifestError, NoSpaceError
from cu_pipeline.core.paths import from_stored, to_stored
from cu_pipeline.core.places import EXTRAS
from cu_pipeline.core.rows import Rows
from cu_pipeline.core.spool import spooled
from cu_pipeline.ingest.columns import known_names
from cu_pipeline.ingest.csv_text import read_csv
from cu_pipeline.ingest.text_files import encoding_of, text_lines
from cu_pipeline.media.options import Limits

if TYPE_CHECKING:
    import pyarrow as pa

Record = dict[str, Any]

PROBLEM: Final = "_problem"
"""Key that says what is wrong with a row that could not be read."""

REASON: Final = "_reason"
"""Key with the code of a row's problem where that is not `bad_row`."""

SOURCE: Final = "_source"
"""Key that says which source a row comes from."""


def _csv(stream: IO[bytes], name: str) -> Iterator["pa.Table"]:
    import pyarrow as pa

    for columns, problems in read_csv(stream, name):
        yield pa.table({one: pa.array(cells, pa.string()) for one, cells in (columns | {PROBLEM: problems}).items()})


def read_jsonl(stream: IO[bytes], name: str) -> Iterator[Record]:  # noqa: ARG001 - as the other readers
    """Read one JSON object a line."""
    for number, line in enumerate(_utf8_lines(stream), 1):
        if not (text := line.removeprefix(b"\xef\xbb\xbf").strip()):
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            record = {PROBLEM: f"line {number} is not JSON: {error}"}
        yield record if isinstance(record, dict) else {PROBLEM: f"line {number} is not a JSON object"}


def _utf8_lines(stream: IO[bytes]) -> Iterable[bytes]:
    if encoding_of(stream) == "utf-8-sig":
        return stream
    return (line.encode("utf-8", "surrogatepass") for line in text_lines(stream))


def read_parquet(stream: IO[bytes], name: str) -> Iterator[Record]:  # noqa: ARG001 - as the other readers
    """Read a Parquet file, a batch of rows at a time."""
    import pyarrow.parquet

    for batch in pyarrow.parquet.ParquetFile(stream).iter_batches():
        yield from batch.to_pylist()


_CHUNK: Final = 2**14
"""Records that become a table together."""


def in_frames(records: Iterable[Record]) -> Iterator[pd.DataFrame]:
    """Make tables of text of records, some at a time, as `to_frame` does."""
    records = iter(records)
    while chunk := list(islice(records, _CHUNK)):
        yield to_frame(chunk)


def _jsonl(stream: IO[bytes], name: str) -> Iterator[pd.DataFrame]:
    return in_frames(read_jsonl(stream, name))


def _parquet(stream: IO[bytes], name: str) -> Iterator[pd.DataFrame]:
    return in_frames(read_parquet(stream, name))


FORMATS: Final[dict[str, Callable[[IO[bytes], str], "Iterator[pd.DataFrame] | Iterator[pa.Table]"]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".parquet": _parquet,
}
"""Readers by the file name's ending; they give some rows at a time, as text, with what is wrong with them."""


COLUMNS = "clip_id, path, text, label, label_CAPABILITY, creator, posted_at, lang, annotations, annotations_CAPABILITY"

_SHOWN: Final = 5
_log = logging.getLogger(__name__)

_JSON: Final = (bool, int, float, dict, list, tuple)
_COMPRESSIONS: Final = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz"}


def read_manifest(place: str, limits: Limits) -> Rows:  # noqa: ARG001 - Feed
    """Read a manifest file: CSV, TSV, JSON Lines or Parquet, also compressed (`.gz`, `.bz2`, `.xz`).

    Args:
        place: a local path, seen from the project's root, or any address that fsspec takes.
        limits: unused.

    Raises:
        ManifestError: it is absent, of another form, not UTF-8, or has neither media nor text.
    """
    place = local_path(place)
    address = place if is_address(place) else str(from_stored(str(Path(place).expanduser())))
    return manifest_table(_read(address), f"manifest {place!r}", folder_of(address))


def manifest_table(found: Rows, source: str, folder: str) -> Rows:
    """Make the table of a manifest's rows.

    Args:
        found: the rows as text, with what is wrong with them.
        source: what errors call it.
        folder: that relative paths start from; a path or an address.

    Raises:
        ManifestError: there is no row, or the rows have neither media nor text.
    """
    rows = found.only([*(name for name in found.names if name != PROBLEM), PROBLEM])
    rows = rows.renamed(known_names(rows.names, source))
    if len(rows) and set(rows.names) == {PROBLEM}:
        told = "; ".join(_problems(rows)[:_SHOWN])
        raise ManifestError(f"{source} has no row that can be read: {told}. Remedy: one JSON object a line")
    check_columns(source, rows.names, len(rows))
    _tell_problems(source, rows)
    return rows.changed(partial(_placed, folder), ["path"], ["path"] if "path" in rows.names else [])


def _placed(folder: str, batch: pd.DataFrame) -> pd.DataFrame:
    paths = batch["path"] if "path" in batch else [""] * len(batch)
    return pd.DataFrame({"path": [_stored(folder, path.strip()) if path else "" for path in paths]}, dtype=object)


def _problems(rows: Rows) -> list[str]:
    return [problem for batch in rows.batches([PROBLEM]) for problem in batch[PROBLEM][batch[PROBLEM] != ""]]


def _tell_problems(source: str, rows: Rows) -> None:
    found = _problems(rows)
    if found:
        shown = "; ".join(found[:_SHOWN])
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        _log.warning("%s: %d of %d rows cannot be read and are refused: %s%s", source, len(found), len(rows), shown,
                     more)  # fmt: skip


def check_columns(source: str, names: Iterable[str], count: int) -> None:
    """Refuse a table without rows, or with neither media nor text.

    Args:
        source: what errors call it.
        names: of its columns.
        count: of its rows.

    Raises:
        ManifestError: it begins with `source`.
    """
    columns = [name for name in names if name != PROBLEM]
    if not count:
        raise ManifestError(f"{source} has no rows. Remedy: one row a clip; columns: {COLUMNS}")
    if not {"path", "text"} & set(columns):
        remedy = f"Remedy: name the media file's column `path`, or the caption's `text`. Columns in use: {COLUMNS}"
        raise ManifestError(f"{source} has neither a `path` nor a `text` column, only {columns}. {remedy}")


def _read(address: str) -> Rows:
    import fsspec

    name = PurePosixPath(without_query(address).lower())
    suffix = PurePosixPath(name.stem).suffix if name.suffix in _COMPRESSIONS else name.suffix
    if not is_address(address) and Path(address).is_dir():
        remedy = f"Remedy: 'folder:{address}' for a folder of CLASS/clip.mp4, or name the manifest in it"
        raise ManifestError(f"manifest {address!r} is a folder. {remedy}")
    if (reader := FORMATS.get(suffix)) is None:
        allowed = f"Allowed: {', '.join(FORMATS)}, also compressed as .gz, .bz2 or .xz"
        raise ManifestError(f"manifest {address!r} ends in {suffix!r}. {allowed}, or `sample`")
    try:
        with fsspec.open(address, "rb", compression=_COMPRESSIONS.get(name.suffix)) as stream:
            return spooled(reader(stream, address))
    except UnicodeError as error:
        raise ManifestError(f"manifest {address!r} is not UTF-8 text ({error}). Remedy: save it as UTF-8") from error
    except ManifestError as error:
        raise ManifestError(f"manifest {address!r}: {error}") from error
    except NoSpaceError:
        raise
    except ImportError as error:
        scheme = scheme_of(address)
        remedy = f"pip install 'cu-pipeline[{EXTRAS[scheme]}]'" if scheme in EXTRAS else "install it"
        raise ManifestError(f"manifest {address!r} needs a package: {error}. Remedy: {remedy}") from error
    except FileNotFoundError as error:
        seen = f": {error.__cause__}" if error.__cause__ else ""  # fsspec's for whatever a web server answers
        raise ManifestError(f"manifest {address!r} is not there{seen}. Remedy: check `collect.manifest`") from error
    except Exception as error:  # each store has errors of its own
        raise ManifestError(f"manifest {address!r} cannot be read: {type(error).__name__}: {error}") from error


def to_frame(records: Iterable[Record]) -> pd.DataFrame:
    """Make a table of text of records, absent values "", with a column for what is wrong with a row."""
    rows = list(records)
    names = {name: str(name) for row in rows for name in row}
    columns = {name: [""] * len(rows) for name in (*names.values(), PROBLEM)}
    for place, row in enumerate(rows):
        for name, value in row.items():
            columns[names[name]][place] = _text(value)
    return pd.DataFrame(columns, dtype="object")


def _text(value: Any) -> str:
    """Write a manifest's value as text that UTF-8 can hold; nested values as JSON."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if hasattr(value, "tolist"):  # NumPy's
        value = value.tolist()
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of whole numbers with gaps arrives as floats
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False, default=_plain) if isinstance(value, _JSON) else str(value)


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _stored(folder: str, path: str) -> str:
    """Write a media path as tables keep it, from one relative to the manifest's folder."""
    path = local_path(path)
    if not path or is_address(path):
        return path
    return join_address(folder, path) if is_address(folder) else to_stored(Path(folder, path))
