"""Columns of text as Arrow arrays, so that a table of millions of rows needs no Python object for each."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandas.api.types import is_object_dtype

Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]

_CHUNK: Final = 2**16
"""Texts that are Python objects at one time."""


def as_arrow(column: "pd.Series[Any]") -> pa.Array:
    """Give a column of text, of objects or Arrow's, as one Arrow array of `large_string`."""
    kind = pa.large_string()
    array = pa.array(column.array, kind) if is_object_dtype(column.dtype) else pa.array(column.array)
    return _whole(array.cast(kind))


def as_column(texts: pa.Array, dtype: Any) -> "pd.Series[Any]":
    """Give texts as a pandas column of a type that another one has: objects, or Arrow's."""
    column: pd.Series[Any] = texts.to_pandas(types_mapper=None if is_object_dtype(dtype) else {texts.type: dtype}.get)
    return column


def chosen(texts: pa.Array, places: Numbers, dtype: Any) -> "pd.Series[Any]":
    """Give those of some texts that stand at places, shape (n,), as a column; equal ones are one object."""
    if not is_object_dtype(dtype):
        return as_column(texts.take(pa.array(places)), dtype)
    used, of = np.unique(places, return_inverse=True)
    return pd.Series(texts.take(pa.array(used)).to_numpy(zero_copy_only=False)[of], dtype=object)


def mapped(texts: pa.Array, function: Callable[[Any], object], kind: pa.DataType) -> pa.Array:
    """Apply a function to each value, few at a time.

    >>> mapped(pa.array(["a", "bc"]), len, pa.int64()).to_pylist()
    [1, 2]
    """
    parts = (texts.slice(start, _CHUNK).to_pylist() for start in range(0, len(texts), _CHUNK))
    return _whole(pa.chunked_array([pa.array(map(function, part), kind) for part in parts], kind))


def numbered(values: pa.Array) -> tuple[Numbers, pa.Array]:
    """Number values by their place among all that differ, in order of their bytes; none is null.

    Returns:
        The number of each value, shape (n,), and the values that differ, sorted.

    >>> numbers, values = numbered(pa.array(["b", "a", "b"]))
    >>> numbers.tolist(), values.to_pylist()
    ([1, 0, 1], ['a', 'b'])
    """
    order = pc.sort_indices(values)
    ordered = values.take(order)
    first = np.ones(len(values), dtype=bool)
    if len(values) > 1:
        first[1:] = pc.not_equal(ordered[1:], ordered[:-1]).to_numpy(zero_copy_only=False)
    numbers = np.empty(len(values), dtype=np.int64)
    numbers[order.to_numpy()] = np.cumsum(first) - 1
    return numbers, ordered.filter(pa.array(first))


def encoded(values: pa.Array) -> tuple[Numbers, pa.Array]:
    """Number values by their place among all that differ, in order of appearance; -1 for null.

    >>> numbers, values = encoded(pa.array(["b", None, "a", "b"]))
    >>> numbers.tolist(), values.to_pylist()
    ([0, -1, 1, 0], ['b', 'a'])
    """
    found = values.dictionary_encode()
    return pc.fill_null(found.indices, -1).to_numpy().astype(np.int64), found.dictionary


def places_among(values: pa.Array, others: pa.Array) -> Numbers:
    """Find where values stand among others: shape (n,), -1 for those that do not.

    >>> places_among(pa.array(["b", "c"]), pa.array(["a", "b"])).tolist()
    [1, -1]
    """
    found: Numbers = pc.fill_null(pc.index_in(values, value_set=others), -1).to_numpy().astype(np.int64)
    return found


def joined(*parts: pa.Array | str) -> pa.Array:
    """Write arrays of `large_string`, and texts that are the same for all, behind one another.

    >>> joined("a:", pa.array(["b", "c"], pa.large_string())).to_pylist()
    ['a:b', 'a:c']
    """
    kind = pa.large_string()
    return pc.binary_join_element_wise(
        *(pa.scalar(part, kind) if isinstance(part, str) else part for part in parts), pa.scalar("", kind)
    )


def as_mask(array: pa.Array) -> Mask:
    """Give an Arrow array of truth as numpy's."""
    mask: Mask = array.to_numpy(zero_copy_only=False)
    return mask


def stand_for(pairs: Numbers, size: int) -> Numbers:
    """Choose for each number the least of those that pairs connect it with.

    Args:
        pairs: of numbers, shape (pairs, 2).
        size: how many numbers there are.

    >>> stand_for(np.array([[2, 1], [3, 2]]), 5).tolist()
    [0, 1, 1, 1, 4]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    numbers = np.arange(size)
    used, ends = np.unique(pairs, return_inverse=True)
    one, other = ends.reshape(-1, 2).T
    graph = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(len(used), len(used)))
    _, component = connected_components(graph, directed=False)
    _, first = np.unique(component, return_index=True)
    numbers[used] = used[first[component]]
    return numbers


def _whole(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Give chunks as one array, without a copy where there is one."""
    if not isinstance(array, pa.ChunkedArray):
        return array
    return array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
