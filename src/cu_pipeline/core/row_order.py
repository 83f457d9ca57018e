"""Order and repeats of rows that need not fit into memory."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.batch_file import BatchFile, BatchReader
from cu_pipeline.core.rows import BATCH, Rows, rows_of_arrow
from cu_pipeline.core.spool import spooled

if TYPE_CHECKING:
    import pyarrow as pa

_RANK: Final = "_rank"

_RUN: Final = 4
"""Batches that are sorted together."""


def repeats(values: "pd.Series[str]", counted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which values stood before, among those that are counted, (values,); they are not held as objects.

    >>> repeats(pd.Series(["a", "b", "a", "b"], dtype=pd.StringDtype("pyarrow")), np.array([1, 0, 1, 1], bool)).tolist()
    [False, False, True, False]
    """
    import pyarrow as pa

    found = np.zeros(len(values), dtype=np.bool_)
    whole = pa.array(values[counted], pa.large_string())
    whole = whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole
    codes = np.asarray(whole.dictionary_encode().indices)  # numbered as they come
    found[np.flatnonzero(counted)[1:]] = codes[1:] <= np.maximum.accumulate(codes)[:-1]
    return found


def sorted_rank(values: "pd.Series[str]") -> NDArray[np.int64]:
    """Tell the place that each value has when they are sorted by code points, (values,)."""
    import pyarrow as pa
    import pyarrow.compute

    whole = pa.array(values, pa.large_string())
    rank = np.empty(len(values), dtype=np.int64)
    rank[np.asarray(pyarrow.compute.sort_indices(whole))] = np.arange(len(values))
    return rank


def sort_rows(rows: Rows, rank: NDArray[np.int64]) -> Rows:
    """Bring rows into another order, by runs that are sorted in memory and merged when they are read.

    Args:
        rows: in any order.
        rank: the place that each row comes to, from 0, each once, (rows,).
    """
    import pyarrow as pa

    if (np.diff(rank) > 0).all():
        return spooled(rows.arrow()) if rows.count else rows
    if rows.count <= BATCH:
        return rows_of_arrow(pa.concat_tables(list(rows.arrow())).take(np.argsort(rank)))
    pieces = _Pieces(len(rows))
    place = 0
    for found in _runs(rows):
        pieces.add(found, rank[place : place + found.num_rows])
        place += found.num_rows
    opened = pieces.opened()

    def read(names: Sequence[str]) -> Iterator["pa.Table"]:
        file = opened.open([*names, _RANK])
        for numbers in pieces.of_batch:
            found = pa.Table.from_batches([file.get_batch(number) for number in numbers])
            yield found.take(np.argsort(found[_RANK].to_numpy())).select(names)

    return Rows(rows.names, rows.count, read)


class _Pieces:
    """A file with what each run has for each batch of the result."""

    def __init__(self, count: int) -> None:
        self.of_batch: list[list[int]] = [[] for _ in range(-(-count // BATCH))]
        self._file: BatchFile | None = None
        self._written = 0

    def add(self, run: "pa.Table", rank: NDArray[np.int64]) -> None:
        order = np.argsort(rank)
        run = run.append_column(_RANK, [rank]).take(order).combine_chunks()
        self._file = self._file or BatchFile(run.schema)
        places = np.searchsorted(rank[order], np.arange(len(self.of_batch) + 1) * BATCH)
        for number, (start, stop) in enumerate(pairwise(places.tolist())):
            if stop > start:
                self._file.write([run.slice(start, stop - start)])
                self.of_batch[number].append(self._written)
                self._written += 1

    def opened(self) -> BatchReader:
        if self._file is None:
            raise ValueError("there are no runs")
        return self._file.opened()


def _runs(rows: Rows) -> Iterator["pa.Table"]:
    import pyarrow as pa

    held: list[pa.Table] = []
    for found in rows.arrow():
        held.append(found)
        if len(held) == _RUN:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)
