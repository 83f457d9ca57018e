"""Writing and checking tables a batch at a time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.records import TABLES
from cu_pipeline.core.rows import BATCH, Rows
from cu_pipeline.datasets.schema import check_table


def write_rows(rows: Rows, path: Path, schema: str | None, remedy: str) -> None:
    """Check rows and write them as a Parquet file, with the bytes that pandas writes where they are one batch.

    Args:
        rows: of the table.
        path: of the file.
        schema: a key of `records.TABLES`; None: anything goes.
        remedy: what to do about a fault, for the error.

    Raises:
        StoreError: they are not what the schema says.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    keys = _Keys(schema)
    writer: ParquetWriter | None = None
    try:
        for batch in _even(rows):
            _check(batch, schema, keys, remedy)
            found = pa.Table.from_pandas(batch, preserve_index=False)
            writer = writer or ParquetWriter(path, found.schema)
            writer.write_table(found.cast(writer.schema))
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        empty = rows.frame()
        _check(empty, schema, keys, remedy)
        empty.to_parquet(path, index=False)
    keys.check(rows, remedy)


def check_rows(rows: Rows, schema: str | None, remedy: str) -> None:
    """Check rows against a schema, for the arguments see `write_rows`."""
    if schema is None:
        return
    keys = _Keys(schema)
    for batch in rows.batches():
        _check(batch, schema, keys, remedy)
    keys.check(rows, remedy)


def _check(batch: pd.DataFrame, schema: str | None, keys: "_Keys", remedy: str) -> None:
    if schema is not None:
        check_table(batch, schema, remedy)
        keys.see(batch)


def _even(rows: Rows) -> Iterator[pd.DataFrame]:
    """Give batches of one size, so that equal tables give equal bytes."""
    held: list[pd.DataFrame] = []
    count = 0
    for batch in rows.batches():
        held.append(batch)
        count += len(batch)
        while count >= BATCH:
            whole = held[0] if len(held) == 1 else pd.concat(held)
            yield whole.iloc[:BATCH]
            held, count = [whole.iloc[BATCH:]], count - BATCH
    if count:
        yield pd.concat(held)


class _Keys:
    """Whether no two rows have the same key, told by their order alone where they are sorted by it.

    Args:
        schema: a key of `records.TABLES`.
    """

    def __init__(self, schema: str | None) -> None:
        self._schema = schema
        self._key = list(TABLES[schema].key) if schema else []
        self._last: tuple[str, ...] | None = None
        self._ascending = True

    def see(self, batch: pd.DataFrame) -> None:
        """Look at the next rows; within them keys were checked."""
        if not self._key or not self._ascending or batch.empty:
            return
        first, last = (tuple(batch.iloc[place][self._key]) for place in (0, -1))
        self._ascending = _are_sorted(batch[self._key]) and (self._last is None or self._last < first)
        self._last = last

    def check(self, rows: Rows, remedy: str) -> None:
        """Look at all keys again if their order told nothing.

        Raises:
            StoreError: a key stands twice.
        """
        import pyarrow as pa

        if self._ascending or not self._key:
            return
        found = pa.concat_tables(rows.arrow(self._key)).group_by(self._key).aggregate([([], "count_all")])
        repeated = found.filter(pa.array(found["count_all"].to_numpy() > 1)).select(self._key)
        if repeated.num_rows:
            number, example = repeated.num_rows, repeated.slice(0, 1).to_pylist()[0]
            fault = f"{number} rows repeat others, such as {example}; allowed: each {' and '.join(self._key)} once"
            raise StoreError(f"table {self._schema!r} is not what it must be:\n  {fault}\n  {remedy}")


def _are_sorted(keys: pd.DataFrame) -> bool:
    """Whether each row's key is not before that of the row above."""
    undecided: NDArray[np.bool_] = np.ones(max(len(keys) - 1, 0), dtype=np.bool_)
    for name in keys:
        values = keys[name].to_numpy(dtype=object)
        if (undecided & (values[:-1] > values[1:])).any():
            return False
        undecided &= values[:-1] == values[1:]
    return True
