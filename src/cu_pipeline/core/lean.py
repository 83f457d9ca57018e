"""Tables in pandas that hold no Python object for each row: text is Arrow's, or few objects are shared."""

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_object_dtype

from cu_pipeline.core.rows import BATCH, Rows

if TYPE_CHECKING:
    import pyarrow as pa

TEXT: Final = pd.StringDtype("pyarrow", na_value=np.nan)
"""Text that Arrow holds, and that compares and is missing as text in a column of objects."""

_REPEATS: Final = 8
"""A column whose first values differ in at most one of so many holds few texts: they are objects that rows share."""

Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]


def lean(rows: Rows) -> pd.DataFrame:
    """Read a whole table into pandas.

    Text that repeats comes as objects, one for each text that there is; other text is held by Arrow. A column may hold
    its text in other Arrow types from batch to batch.
    """
    if not len(rows):
        return rows.frame()
    columns: dict[str, Any] = {}
    for name in rows.names:
        shared, parts = None, list[Any]()
        for batch in rows.arrow([name]):
            column = _plain(batch[name].combine_chunks())
            if shared is None:
                shared = _is_text(column) and len(column.unique()) * _REPEATS <= len(column)
            parts.append(_kept(column, shared=shared))
        columns[name] = _column(parts)
    whole = pd.DataFrame(columns, copy=False)
    _give_back()
    return whole


def _give_back() -> None:
    """Let go of the memory that checking and reading took beside what it gave: pandera's checks hold rows in cycles."""
    import pyarrow as pa

    gc.collect()
    pa.default_memory_pool().release_unused()


def is_lean(column: "pd.Series[Any]") -> bool:
    """Whether Arrow holds a column's text."""
    return isinstance(column.dtype, pd.StringDtype)


def rows_where(frame: pd.DataFrame, mask: "pd.Series[bool] | Mask") -> pd.DataFrame:
    """Leave some rows of a table, without a copy where these are all of them."""
    kept = np.asarray(mask, dtype=np.bool_)
    return frame if kept.all() else frame[kept]


def beside(frame: pd.DataFrame, **columns: Any) -> pd.DataFrame:
    """Put columns in the place of those that are called so, or behind all; the other ones are shared, not copied."""
    found = frame.copy(deep=False)
    for name, values in columns.items():
        found[name] = values
    return found


def renumbered(frame: pd.DataFrame) -> pd.DataFrame:
    """Give rows a new index; their columns are shared, not copied."""
    found = frame.copy(deep=False)
    found.index = pd.RangeIndex(len(frame))
    return found


def below(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put tables below one another, with a new index; a column whose text Arrow holds in one of them stays Arrow's.

    Where all rows are one table's its columns are shared, not copied.

    >>> some, more = pd.DataFrame({"a": ["x"]}), pd.DataFrame({"a": ["y"]}, dtype=TEXT)
    >>> below([some, more]).dtypes.tolist() == [TEXT]
    True
    """
    held = {str(name): one[name].dtype for one in tables for name in one if is_lean(one[name])}
    kinds = [{name: kind for name, kind in held.items() if name in one and one[name].dtype != kind} for one in tables]
    alike = [one.astype(kind) if kind else one for one, kind in zip(tables, kinds, strict=True)]
    if sum(len(one) > 0 for one in alike) == 1:
        (whole,) = (one for one in alike if len(one))
        if all(one.columns.equals(whole.columns) and one.dtypes.equals(whole.dtypes) for one in alike):
            return renumbered(whole)
    return pd.concat(alike, ignore_index=True)


def as_text(values: "pd.Index[str] | pd.Series[str] | Sequence[str]") -> "pa.Array":
    """Give texts as one Arrow array, without a copy where Arrow holds them."""
    import pyarrow as pa

    held = values.array if isinstance(values, pd.Index | pd.Series) else values
    found = pa.array(held, pa.large_string()) if not isinstance(getattr(held, "dtype", None), pd.StringDtype) else None
    found = pa.array(held).cast(pa.large_string()) if found is None else found
    if not isinstance(found, pa.ChunkedArray):
        return found
    return found.chunk(0) if found.num_chunks == 1 else found.combine_chunks()


def places(
    values: "pd.Index[str] | pd.Series[str] | Sequence[str]", among: "pd.Index[str] | pd.Series[str]"
) -> Numbers:
    """Find where texts stand among others, none of which repeats: (n,), -1 for those that do not.

    >>> places(["b", "c"], pd.Index(["a", "b"])).tolist()
    [1, -1]
    """
    import pyarrow.compute as pc

    found = pc.index_in(as_text(values), value_set=as_text(among))
    numbers: Numbers = pc.fill_null(found, -1).to_numpy().astype(np.int64)
    return numbers


def numbered(column: "pd.Series[Any]") -> Numbers:
    """Number values in order of appearance: (n,); equal ones have the same number."""
    return np.asarray(pd.factorize(column)[0], dtype=np.int64)


def ranks(column: "pd.Series[Any]") -> Numbers:
    """The place of each text among those that differ, sorted: (n,)."""
    from cu_pipeline.core.text_columns import numbered as ranked

    return ranked(as_text(column))[0]


def distinct(column: "pd.Series[str]") -> "pd.Index[str]":
    """Give the texts that there are, sorted."""
    from cu_pipeline.core.text_columns import numbered as ranked

    found = ranked(as_text(column))[1]
    return pd.Index(
        pd.Series(found, dtype=TEXT) if is_lean(column) else found.to_numpy(zero_copy_only=False),
        dtype=None if is_lean(column) else object,
    )


def texts(values: "Iterable[str]", like: "pd.Series[Any]") -> "pd.Series[str]":
    """Give texts that are made one by one as a column, held as another one's: (n,), with a new index."""
    import pyarrow as pa

    if not is_lean(like):
        return pd.Series(list(values), dtype=object)
    made = iter(values)
    parts = iter(lambda: pa.array(islice(made, BATCH), pa.large_string()), pa.array([], pa.large_string()))
    return pd.Series(pa.chunked_array(list(parts), pa.large_string()).combine_chunks(), dtype=TEXT)


def told_of(column: "pd.Series[str]", function: Callable[[str], Any], kind: Any) -> NDArray[Any]:
    """Compute a number, or whether something holds, of each text: (n,) of numpy's type `kind`."""
    batches = (column.iloc[start : start + BATCH] for start in range(0, len(column), BATCH))
    return np.fromiter((function(text) for part in batches for text in objects(part)), kind, len(column))


def numbered_by(frame: pd.DataFrame, keys: Sequence[str]) -> Numbers:
    """Number rows so that those with the same keys have the same number: (n,)."""
    numbers: Numbers = np.zeros(len(frame), dtype=np.int64)
    for name in keys:
        mine = numbered(frame[name])
        numbers = np.asarray(numbers * (int(mine.max(initial=0)) + 1) + mine, dtype=np.int64)
    return numbers


def last_of_each(frame: pd.DataFrame, keys: Sequence[str]) -> Mask:
    """Tell which rows are the last ones with their keys, (n,)."""
    return np.asarray(~pd.Series(numbered_by(frame, keys)).duplicated(keep="last").to_numpy(), dtype=np.bool_)


def in_order(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Sort rows by texts, those equal in all keep their order; the index is a new one."""
    if not any(is_lean(frame[name]) for name in keys):
        return frame.sort_values(list(keys), kind="stable", ignore_index=True)
    by_key = [ranks(frame[name]) for name in keys]
    if _ascends(by_key):
        return renumbered(frame)
    return frame.iloc[np.lexsort(by_key[::-1])].reset_index(drop=True)


def in_batches(frame: pd.DataFrame, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Give columns of a table a batch of rows at a time, all of whose text are objects."""
    for start in range(0, len(frame), BATCH):
        part = frame[list(columns)].iloc[start : start + BATCH]
        yield part.astype({name: object for name in columns if is_lean(part[name])})


def _ascends(by_key: Sequence[Numbers]) -> bool:
    undecided = np.ones(max(len(by_key[0]) - 1, 0), dtype=np.bool_)
    for one in by_key:
        steps = np.diff(one)
        if (undecided & (steps < 0)).any():
            return False
        undecided &= steps == 0
    return True


def _is_text(column: "pa.Array | pa.ChunkedArray") -> bool:
    import pyarrow as pa

    return pa.types.is_string(column.type) or pa.types.is_large_string(column.type)


def _plain(column: "pa.Array") -> "pa.Array":
    """Text as Arrow's `string`, and other values as they are; what has no type is text of which none is there."""
    import pyarrow as pa

    held = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    text = pa.types.is_large_string(held.type) or pa.types.is_string_view(held.type) or pa.types.is_null(held.type)
    return held.cast(pa.string()) if text else held


def _kept(column: "pa.Array", *, shared: bool) -> "pa.Array":
    """What is held of a batch's column: text that repeats by a dictionary."""
    import pyarrow as pa

    if shared:
        return column.dictionary_encode()
    return column.cast(pa.large_string()) if _is_text(column) else column


def _column(parts: list[Any]) -> Any:
    import pyarrow as pa

    whole = pa.chunked_array(parts)
    parts.clear()
    if not pa.types.is_dictionary(whole.type):
        return pd.Series(whole.combine_chunks(), dtype=TEXT) if _is_text(whole) else whole.to_pandas()
    whole = whole.unify_dictionaries()
    texts = np.append(whole.chunk(0).dictionary.to_numpy(zero_copy_only=False), np.array([None], dtype=object))
    codes = np.concatenate([one.indices.fill_null(len(texts) - 1).to_numpy() for one in whole.chunks])
    return texts[codes]


def objects(column: "pd.Series[Any]") -> NDArray[np.object_]:
    """Give a column's values as objects, (n,), for few rows."""
    return column.to_numpy(dtype=object) if not is_object_dtype(column.dtype) else column.to_numpy()
