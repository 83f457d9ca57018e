import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from cu_pipeline.core.errors import ManifestError
from cu_pipeline.core.paths import from_stored, to_stored
from cu_pipeline.pipelines.collect.formats import FORMATS, PROBLEM, Record
from cu_pipeline.pipelines.collect.options import CollectOptions

COLUMNS = "clip_id, path, text, label, label_CAPABILITY, creator, posted_at, lang, annotations, annotations_CAPABILITY"


def read_manifest(place: str, options: CollectOptions, workers: int) -> pd.DataFrame:  # noqa: ARG001 - Source
    """Read a manifest file: CSV, TSV, JSON Lines or Parquet, also compressed (`.gz`, `.bz2`, `.xz`).

    Args:
        place: a local path, seen from the project's root, or any URI that fsspec takes.
        options: unused.
        workers: unused.

    Raises:
        ManifestError: it is absent, of another form, not UTF-8, or has neither media nor text.
    """
    address = place if "://" in place else str(from_stored(str(Path(place).expanduser())))
    frame = _frame(_read(address))
    columns = [name for name in frame.columns if name != PROBLEM]
    if frame.empty:
        raise ManifestError(f"manifest {place!r} has no rows. Remedy: one row a clip; columns: {COLUMNS}")
    if not {"path", "text"} & set(columns):
        remedy = f"Remedy: name the media file's column `path`, or the caption's `text`. Columns in use: {COLUMNS}"
        raise ManifestError(f"manifest {place!r} has neither a `path` nor a `text` column, only {columns}. {remedy}")
    folder = address.rpartition("/")[0]
    return frame.assign(path=[_stored(folder, path) for path in frame.get("path", [""] * len(frame))])


def _read(address: str) -> list[Record]:
    import fsspec

    name = PurePosixPath(address)
    suffix = PurePosixPath(name.stem).suffix if name.suffix in {".gz", ".bz2", ".xz"} else name.suffix
    if (reader := FORMATS.get(suffix.lower())) is None:
        allowed = f"Allowed: {', '.join(FORMATS)}, also compressed as .gz, .bz2 or .xz"
        raise ManifestError(f"manifest {address!r} ends in {suffix!r}. {allowed}, or `sample`")
    try:
        with fsspec.open(address, "rb", compression="infer") as stream:
            return list(reader(stream))
    except UnicodeError as error:
        raise ManifestError(f"manifest {address!r} is not UTF-8 text ({error}). Remedy: save it as UTF-8") from error
    except ManifestError as error:
        raise ManifestError(f"manifest {address!r}: {error}") from error
    except FileNotFoundError as error:
        raise ManifestError(f"manifest {address!r} is not there. Remedy: check `collect.manifest`") from error
    except ImportError as error:
        raise ManifestError(f"manifest {address!r} needs a package: {error}") from error
    except (OSError, ValueError) as error:
        raise ManifestError(f"manifest {address!r} cannot be read: {type(error).__name__}: {error}") from error


def _frame(records: Iterable[Record]) -> pd.DataFrame:
    rows = [{str(name).strip(): _text(value) for name, value in record.items()} for record in records]
    names = dict.fromkeys(name for row in rows for name in row)
    return pd.DataFrame({name: [row.get(name, "") for row in rows] for name in (*names, PROBLEM)}, dtype="object")


def _text(value: Any) -> str:
    """Give a manifest's value as text that UTF-8 can hold; nested values as JSON."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of whole numbers with gaps arrives as floats
    return value.isoformat() if isinstance(value, date) else json.dumps(value, ensure_ascii=False, default=str)


def _stored(folder: str, path: str) -> str:
    """Give the form of a media path that tables keep, from one relative to the manifest's folder."""
    path = path.strip()
    if not path or "://" in path:
        return path
    if "://" in folder:
        return f"{folder}/{path}"
    return to_stored(Path(folder, path))
