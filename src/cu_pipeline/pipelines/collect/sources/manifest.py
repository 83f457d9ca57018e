import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pandas as pd

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.addresses import folder_of, is_address, join_address, local_path, scheme_of, without_query
from cu_pipeline.core.errors import ManifestError
from cu_pipeline.core.paths import from_stored, to_stored
from cu_pipeline.pipelines.collect.fetching.stores import EXTRAS
from cu_pipeline.pipelines.collect.formats import FORMATS, PROBLEM, Record
from cu_pipeline.pipelines.collect.options import CollectOptions

COLUMNS = "clip_id, path, text, label, label_CAPABILITY, creator, posted_at, lang, annotations, annotations_CAPABILITY"

_JSON: Final = (bool, int, float, dict, list, tuple)
_COMPRESSIONS: Final = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz"}


def read_manifest(place: str, options: CollectOptions, mapper: Mapper) -> pd.DataFrame:  # noqa: ARG001 - Source
    """Read a manifest file: CSV, TSV, JSON Lines or Parquet, also compressed (`.gz`, `.bz2`, `.xz`).

    Args:
        place: a local path, seen from the project's root, or any address that fsspec takes.
        options: unused.
        mapper: unused.

    Raises:
        ManifestError: it is absent, of another form, not UTF-8, or has neither media nor text.
    """
    place = local_path(place)
    address = place if is_address(place) else str(from_stored(str(Path(place).expanduser())))
    frame = to_frame(_read(address))
    check_columns(f"manifest {place!r}", frame)
    folder = folder_of(address)
    return frame.assign(path=[_stored(folder, path.strip()) for path in frame.get("path", [""] * len(frame))])


def check_columns(source: str, frame: pd.DataFrame) -> None:
    """Refuse a table without rows, or with neither media nor text.

    Raises:
        ManifestError: it begins with `source`.
    """
    columns = [name for name in frame.columns if name != PROBLEM]
    if frame.empty:
        raise ManifestError(f"{source} has no rows. Remedy: one row a clip; columns: {COLUMNS}")
    if not {"path", "text"} & set(columns):
        remedy = f"Remedy: name the media file's column `path`, or the caption's `text`. Columns in use: {COLUMNS}"
        raise ManifestError(f"{source} has neither a `path` nor a `text` column, only {columns}. {remedy}")


def _read(address: str) -> list[Record]:
    import fsspec

    name = PurePosixPath(without_query(address).lower())
    suffix = PurePosixPath(name.stem).suffix if name.suffix in _COMPRESSIONS else name.suffix
    if (reader := FORMATS.get(suffix)) is None:
        allowed = f"Allowed: {', '.join(FORMATS)}, also compressed as .gz, .bz2 or .xz"
        raise ManifestError(f"manifest {address!r} ends in {suffix!r}. {allowed}, or `sample`")
    try:
        with fsspec.open(address, "rb", compression=_COMPRESSIONS.get(name.suffix)) as stream:
            return list(reader(stream))
    except UnicodeError as error:
        raise ManifestError(f"manifest {address!r} is not UTF-8 text ({error}). Remedy: save it as UTF-8") from error
    except ManifestError as error:
        raise ManifestError(f"manifest {address!r}: {error}") from error
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
    """Give records as a table of text, absent values "", with a column for what is wrong with a row."""
    rows = list(records)
    names = {name: str(name).strip() for row in rows for name in row}
    columns = {name: [""] * len(rows) for name in (*names.values(), PROBLEM)}
    for place, row in enumerate(rows):
        for name, value in row.items():
            columns[names[name]][place] = _text(value)
    return pd.DataFrame(columns, dtype="object")


def _text(value: Any) -> str:
    """Give a manifest's value as text that UTF-8 can hold; nested values as JSON."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of whole numbers with gaps arrives as floats
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, _JSON) else str(value)


def _stored(folder: str, path: str) -> str:
    """Give the form of a media path that tables keep, from one relative to the manifest's folder."""
    path = local_path(path)
    if not path or is_address(path):
        return path
    return join_address(folder, path) if is_address(folder) else to_stored(Path(folder, path))
