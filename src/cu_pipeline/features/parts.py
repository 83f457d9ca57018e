"""The Parquet files of a feature store: what stands in one, and how it is read on a disk or on a shared place."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cu_pipeline.core.errors import StoreError
from cu_pipeline.features.extractor import FeatureKey, Identity, Values, form_of
from cu_pipeline.features.pictures import Jpegs, Pictures
from cu_pipeline.features.shared_parts import SharedPart

Part: TypeAlias = Path | SharedPart

KEY: Final = "content_key"
_VECTOR: Final = "vector"
_TEXT: Final = "text"
_PICTURES: Final = "pictures"
_PRESENT: Final = "present"


def table_of(identity: Identity, keys: Sequence[str], values: Values) -> pa.Table:
    """Put features into the table of a part.

    Args:
        identity: of their extractor.
        keys: content hashes (n).
        values: float32 (n, *identity.shape), texts (n), or pictures.
    """
    return pa.table({KEY: pa.array(keys, pa.string()), **_columns_of(identity, values)})


def write_table(table: pa.Table, path: Path) -> None:
    """Write a part. JPEG files do not get smaller, and a group of rows a clip lets one clip's be read alone."""
    if _PICTURES in table.column_names:
        pq.write_table(table, path, compression="none", use_dictionary=False, row_group_size=1)
    else:
        pq.write_table(table, path, compression="zstd")


def keys_of(part: Part) -> list[str]:
    """Read the content hashes of a part, in order of its rows; of one on a shared place its manifest has them.

    Raises:
        StoreError: the part is damaged.
    """
    if isinstance(part, SharedPart):
        return part.keys
    keys: list[str] = _column(part, KEY).to_pylist()
    return keys


def values_of(part: Part, feature: FeatureKey) -> Values:
    """Read the features of a part; pictures are read only when they are wanted.

    Raises:
        StoreError: the part is damaged.
        PlaceError: the shared place that it is on cannot be used.
    """
    form = form_of(feature.shape)
    if form == "text":
        return np.array(_column(part, _TEXT).to_pylist(), dtype=object)
    if form == "pictures":
        clips = [partial(_pictures, part, row) if has else None for row, has in enumerate(_present(part))]
        return Pictures(clips, feature.shape)
    vectors = _column(part, _VECTOR).combine_chunks()
    return np.asarray(vectors.values.to_numpy().reshape(-1, *feature.shape), dtype=np.float32)


def read_table(part: Part) -> pa.Table:
    """Read all of a part.

    Raises:
        StoreError: the part is damaged.
        PlaceError: the shared place that it is on cannot be used.
    """
    with _reading(part) as source:
        return pq.read_table(source)


def _columns_of(identity: Identity, values: Values) -> dict[str, pa.Array]:
    form = form_of(identity.shape)
    if form == "text":
        return {_TEXT: pa.array(values.tolist(), pa.string())}
    if form == "pictures":
        clips = [values.encoded(row) for row in range(len(values))]
        return {_PRESENT: pa.array(values.present), _PICTURES: pa.array(clips, pa.list_(pa.binary()))}
    width = int(np.prod(identity.shape))
    return {_VECTOR: pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), width)}


def _column(part: Part, name: str) -> pa.ChunkedArray:
    with _reading(part) as source, pq.ParquetFile(source) as file:
        return file.read(columns=[name]).column(name)


def _present(part: Part) -> list[bool]:
    """Which rows have pictures. From afar the footer tells, since each row is a group with statistics of its own."""
    with _reading(part) as source:
        if isinstance(source, Path):
            found: list[bool] = pq.read_table(source, columns=[_PRESENT]).column(_PRESENT).to_pylist()
            return found
        about = pq.ParquetFile(source).metadata
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
        StoreError: the part is damaged.
        PlaceError: the shared place cannot be used.
    """
    if isinstance(part, Path):
        try:
            yield part
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
