"""The Parquet files of a feature store: what stands in one, and how it is read on a disk or on a shared place."""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cu_pipeline.core.errors import PartGoneError, StoreError
from cu_pipeline.features.extractor import FeatureKey, Identity, Values, form_of
from cu_pipeline.features.pictures import Jpegs, Pictures
from cu_pipeline.features.shared_parts import SharedPart

Part: TypeAlias = Path | SharedPart

LOCKED: Final = "extractor.json"
"""The file that stands beside the parts from the first one on."""

KEY: Final = "content_key"
_VECTOR: Final = "vector"
_TEXT: Final = "text"
_PICTURES: Final = "pictures"
_PRESENT: Final = "present"
_GROUP: Final = 2**20
"""Bytes of a group of rows in a part that was joined, which are read together where only some rows are wanted."""


def table_of(identity: Identity, keys: Sequence[str], values: Values) -> pa.Table:
    """Put features into the table of a part.

    Args:
        identity: of their extractor.
        keys: content hashes (n).
        values: float32 (n, *identity.shape), texts (n), or pictures.
    """
    return pa.table({KEY: pa.array(keys, pa.string()), **_columns_of(identity, values)})


def write_table(table: pa.Table, path: Path, *, joined: bool = False) -> None:
    """Write a part. JPEG files do not get smaller, and a group of rows a clip lets one clip's be read alone.

    Args:
        table: as `table_of` gives it.
        path: of the file.
        joined: the part was joined from many, and is divided into groups of rows.
    """
    if joined:
        rows = max(_GROUP * table.num_rows // table.nbytes, 1)
        pq.write_table(table, path, compression="zstd", use_dictionary=False, row_group_size=rows)
    elif _PICTURES in table.column_names:
        pq.write_table(table, path, compression="none", use_dictionary=False, row_group_size=1)
    else:
        pq.write_table(table, path, compression="zstd")


def keys_of(part: Part) -> list[str]:
    """Read the content hashes of a part, in order of its rows; of one on a shared place its manifest has them.

    Raises:
        StoreError: the part is damaged, or gone (`PartGoneError`).
    """
    if isinstance(part, SharedPart):
        return part.keys
    with _reading(part) as source, pq.ParquetFile(source) as file:
        found = file.read(columns=[KEY]).column(KEY)
        if not _is_text(found.type):
            raise pa.ArrowInvalid(f"its {KEY} are {found.type}, not text")
        keys: list[str] = found.to_pylist()
        return keys


def values_of(part: Part, feature: FeatureKey, rows: NDArray[np.int64]) -> Values:
    """Read features of a part: the groups of rows that are wanted; pictures only when they are looked at.

    Args:
        part: to read.
        feature: whose part it is.
        rows: of the part (n).

    Returns:
        Those of the rows, in their order.

    Raises:
        StoreError: the part is damaged, or gone (`PartGoneError`).
        PlaceError: the shared place that it is on cannot be used.
    """
    form = form_of(feature.shape)
    if form == "pictures":
        clips = [partial(_pictures, part, row) if has else None for row, has in enumerate(_present(part, feature))]
        return Pictures(clips, feature.shape)[rows]
    column, places = _wanted(part, feature, rows)
    if form == "text":
        return np.array(column.to_pylist(), dtype=object)[places]
    vectors = column.combine_chunks()
    return np.asarray(vectors.values.to_numpy().reshape(-1, *feature.shape), dtype=np.float32)[places]


def read_table(part: Part, feature: FeatureKey | None = None) -> pa.Table:
    """Read all of a part.

    Args:
        part: to read.
        feature: whose part it is; None: whatever stands in it is taken.

    Raises:
        StoreError: the part is damaged, or gone (`PartGoneError`).
        PlaceError: the shared place that it is on cannot be used.
    """
    with _reading(part) as source:
        table = pq.read_table(source)
        if feature is not None:
            _check_type(table.schema, feature)
        return table


@contextmanager
def held(folder: Path, *, wait: bool) -> Iterator[bool]:
    """Keep others from removing parts of a folder; who only adds or reads some does not ask.

    Where the file system has no locks, or nothing is stored yet, nobody is kept.

    Args:
        folder: of the parts of one extractor.
        wait: until nobody else removes any.

    Yields:
        Whether nobody else does.
    """
    try:
        lock = (folder / LOCKED).open("rb")
    except FileNotFoundError:
        yield True
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            free = True
        except BlockingIOError:
            free = False
        except OSError:  # no locks here
            free = True
        yield free


def _columns_of(identity: Identity, values: Values) -> dict[str, pa.Array]:
    form = form_of(identity.shape)
    if form == "text":
        return {_TEXT: pa.array(values.tolist(), pa.string())}
    if form == "pictures":
        clips = [values.encoded(row) for row in range(len(values))]
        return {_PRESENT: pa.array(values.present), _PICTURES: pa.array(clips, pa.list_(pa.binary()))}
    width = int(np.prod(identity.shape))
    return {_VECTOR: pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), width)}


def _check_type(schema: pa.Schema, feature: FeatureKey) -> str:
    """Name the column that holds a feature's values.

    Raises:
        ArrowInvalid: it is of another type or width than the extractor's.
    """
    name, wanted = {
        "vectors": (_VECTOR, pa.list_(pa.float32(), int(np.prod(feature.shape)))),
        "text": (_TEXT, pa.string()),
        "pictures": (_PRESENT, pa.bool_()),
    }[form_of(feature.shape)]
    found = schema.field(name).type
    if found != wanted and not (_is_text(found) and _is_text(wanted)):
        raise pa.ArrowInvalid(f"its column {name!r} is {found}, and {feature.name!r} gives {wanted}")
    return name


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _wanted(part: Part, feature: FeatureKey, rows: NDArray[np.int64]) -> tuple[pa.ChunkedArray, NDArray[np.int64]]:
    """Read the groups of rows that have wanted ones, and tell where these are in what was read."""
    with _reading(part) as source, pq.ParquetFile(source) as file:
        name = _check_type(file.schema_arrow, feature)
        about = file.metadata
        sizes = np.array([about.row_group(group).num_rows for group in range(about.num_row_groups)], dtype=np.int64)
        firsts = np.cumsum(sizes) - sizes
        groups = np.searchsorted(firsts, rows, side="right") - 1
        read = np.unique(groups)
        shifts = np.zeros(len(sizes), dtype=np.int64)
        shifts[read] = np.cumsum(sizes[read]) - sizes[read] - firsts[read]
        return file.read_row_groups(read.tolist(), columns=[name]).column(name), rows + shifts[groups]


def _present(part: Part, feature: FeatureKey) -> list[bool]:
    """Which rows have pictures. From afar the footer tells, since each row is a group with statistics of its own."""
    with _reading(part) as source, pq.ParquetFile(source) as file:
        _check_type(file.schema_arrow, feature)
        if isinstance(source, Path):
            found: list[bool] = file.read(columns=[_PRESENT]).column(_PRESENT).to_pylist()
            return found
        about = file.metadata
        place = next(place for place in range(about.num_columns) if about.schema.column(place).name == _PRESENT)
        return [bool(about.row_group(row).column(place).statistics.max) for row in range(about.num_row_groups)]


def _pictures(part: Part, row: int) -> Jpegs:
    """The pictures of one row of a part."""
    with _reading(part) as source, pq.ParquetFile(source) as file:
        (jpegs,) = file.read_row_group(row, columns=[_PICTURES]).column(_PICTURES).to_pylist()
    return tuple(jpegs)


@contextmanager
def _reading(part: Part) -> Iterator[Any]:
    """Give what pyarrow reads a part from: a path, or a stream that asks a shared place for ranges.

    Raises:
        StoreError: the part is damaged, or gone (`PartGoneError`).
        PlaceError: the shared place cannot be used.
    """
    if isinstance(part, Path):
        try:
            yield part
        except FileNotFoundError as error:
            raise PartGoneError(f"{part} is gone") from error
        except (pa.ArrowException, OSError, KeyError, IndexError, ValueError) as error:
            raise _damaged(part, error) from error
        return
    with part.opened() as source:
        try:
            yield source
        except (pa.ArrowException, KeyError, IndexError) as error:
            raise _damaged(part, error) from error


def _damaged(part: Part, error: object) -> StoreError:
    return StoreError(f"{part} cannot be read ({error}). Delete this file; the next run computes its features again.")
