"""Tables that need not fit into memory: their rows are made, read and sorted a batch at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH: Final = 2**17
"""Rows that are worked on together. So many are held in memory; more lie in a file."""


_Read = Callable[[Sequence[str]], Iterator["pa.Table"]]


@dataclass(frozen=True)
class Rows:
    """A table as a node gives it to the next: what it holds lies in a file, in memory, or is made when it is read.

    It can be read many times and never changes. Text is never missing.

    Attributes:
        names: of the columns, in order.
        count: of the rows.
    """

    names: tuple[str, ...]
    count: int
    _read: _Read

    def __len__(self) -> int:
        return self.count

    def __deepcopy__(self, memo: object) -> "Rows":
        return self

    def arrow(self, names: Sequence[str] | None = None) -> Iterator["pa.Table"]:
        """Read columns, all by default, as Arrow's tables of at most `BATCH` rows; none of them is empty."""
        for found in self._read(self.names if names is None else names):
            yield from (found.slice(at, BATCH) for at in range(0, found.num_rows, BATCH))

    def batches(self, names: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """Read columns as pandas tables of at most `BATCH` rows; their index counts all rows, text are objects."""
        start = 0
        for found in self.arrow(names):
            frame = found.to_pandas()
            yield frame.set_axis(pd.RangeIndex(start, start + len(frame)), axis=0)
            start += len(frame)

    def columns(self, *names: str) -> pd.DataFrame:
        """Read columns of all rows into one pandas table, whose text Arrow holds: a fraction of what objects take."""
        import pyarrow as pa

        text = pd.StringDtype("pyarrow")
        parts = list(self.arrow(names))
        if not parts:
            return self._empty(names).to_pandas(types_mapper={pa.string(): text}.get)
        whole = pa.concat_tables(parts)
        parts.clear()
        return whole.to_pandas(types_mapper={pa.string(): text, pa.large_string(): text}.get)

    def frame(self) -> pd.DataFrame:
        """Read the whole table into pandas."""
        parts = list(self.batches())
        return pd.concat(parts) if parts else self._empty(self.names).to_pandas()

    def where(self, kept: NDArray[np.bool_]) -> "Rows":
        """Leave only some rows.

        Args:
            kept: which, (rows,).
        """
        if kept.all():
            return self

        def read(names: Sequence[str]) -> Iterator["pa.Table"]:
            place = 0
            for found in self._read(names):
                yield found.filter(_mask(kept[place : place + found.num_rows]))
                place += found.num_rows

        return Rows(self.names, int(kept.sum()), read)

    def beside(self, frame: pd.DataFrame) -> "Rows":
        """Put columns in the place of those that are called so, or behind all.

        Args:
            frame: as many rows.
        """
        others = to_arrow(frame)

        def read(names: Sequence[str]) -> Iterator["pa.Table"]:
            mine = [name for name in names if name not in frame]
            place = 0
            for found in self._read(mine or self.names[:1]):
                part = others.slice(place, found.num_rows)
                yield _chosen({name: (part if name in frame else found)[name] for name in names})
                place += found.num_rows

        return Rows(tuple(dict.fromkeys([*self.names, *frame.columns])), self.count, read)

    def changed(
        self, change: Callable[[pd.DataFrame], pd.DataFrame], gives: Sequence[str], needs: Sequence[str]
    ) -> "Rows":
        """Compute columns of each batch when it is read.

        Args:
            change: makes a table with `gives` of one with `needs`, a row of a row.
            gives: columns; those that are there are replaced, the others stand behind all.
            needs: columns that it is given.
        """

        def read(names: Sequence[str]) -> Iterator["pa.Table"]:
            made = [name for name in names if name in gives]
            if not made:
                yield from self._read(names)
                return
            mine = [name for name in names if name not in gives]
            for found in self._read(list(dict.fromkeys([*mine, *needs])) or self.names[:1]):
                part = to_arrow(change(found.select(needs).to_pandas() if needs else _blank(found.num_rows)))
                yield _chosen({name: (part if name in gives else found)[name] for name in names})

        return Rows(tuple(dict.fromkeys([*self.names, *gives])), self.count, read)

    def renamed(self, names: Mapping[str, str]) -> "Rows":
        """Call columns otherwise.

        Args:
            names: old name -> new name.
        """
        if not names:
            return self
        old = {names.get(name, name): name for name in self.names}

        def read(wanted: Sequence[str]) -> Iterator["pa.Table"]:
            for found in self._read([old[name] for name in wanted]):
                yield found.rename_columns(list(wanted))

        return Rows(tuple(old), self.count, read)

    def only(self, names: Sequence[str]) -> "Rows":
        """Leave only columns, in this order; those that are not there hold nothing but ""."""
        absent = [name for name in names if name not in self.names]
        found = self.changed(lambda rows: pd.DataFrame("", rows.index, absent), absent, ()) if absent else self
        return Rows(tuple(names), self.count, found._read)

    def _empty(self, names: Sequence[str]) -> "pa.Table":
        import pyarrow as pa

        found = next(self._read(names), None)
        return pa.table({name: pa.array([], pa.string()) for name in names}) if found is None else found.slice(0, 0)


def rows_of(frame: pd.DataFrame) -> Rows:
    """Take a pandas table for rows."""
    if len(frame) <= BATCH:
        return rows_of_arrow(to_arrow(frame))

    def read(names: Sequence[str]) -> Iterator["pa.Table"]:
        for start in range(0, len(frame), BATCH):
            yield to_arrow(frame[list(names)].iloc[start : start + BATCH])

    return Rows(tuple(frame.columns), len(frame), read)


def read_parquet_rows(path: Path) -> Rows:
    """Open a Parquet file; it is read when its rows are.

    Raises:
        StoreError: it is no whole Parquet file.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            names, count = file.schema_arrow.names, file.metadata.num_rows
    except FileNotFoundError:
        raise
    except (ArrowException, OSError) as error:
        raise StoreError(
            f"{path} is damaged ({error}): take back the file's last version (`dvc checkout`), or run the pipeline "
            "that makes it again"
        ) from error

    def read(wanted: Sequence[str]) -> Iterator["pa.Table"]:
        import pyarrow as pa

        with ParquetFile(path) as file:
            if not count:
                yield file.read(wanted).select(wanted).replace_schema_metadata()
            for batch in file.iter_batches(BATCH, columns=list(wanted)):
                yield pa.Table.from_batches([batch]).select(wanted).replace_schema_metadata()

    return Rows(tuple(names), count, read)


def stacked(parts: Sequence[Rows]) -> Rows:
    """Put tables below one another; a column that one lacks holds "" there."""
    if len(parts) == 1:
        return parts[0]
    names = tuple(dict.fromkeys(name for part in parts for name in part.names))

    def read(wanted: Sequence[str]) -> Iterator["pa.Table"]:
        for part in parts:
            yield from part.only(names)._read(wanted)

    return Rows(names, sum(part.count for part in parts), read)


def to_arrow(frame: pd.DataFrame) -> "pa.Table":
    """Convert a pandas table, text to Arrow's `string`, also where there is none."""
    import pyarrow as pa

    found = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
    kinds = [pa.string() if pa.types.is_null(one.type) or pa.types.is_large_string(one.type) else one.type
             for one in found.schema]  # fmt: skip
    return found.cast(pa.schema(list(zip(found.column_names, kinds, strict=True))))


def rows_of_arrow(found: "pa.Table") -> Rows:
    """Take an Arrow table for rows."""
    return Rows(tuple(found.column_names), found.num_rows, lambda names: iter([found.select(names)]))


def _chosen(columns: "Mapping[str, Any]") -> "pa.Table":
    import pyarrow as pa

    return pa.table(dict(columns))


def _mask(kept: NDArray[np.bool_]) -> Any:
    import pyarrow as pa

    return pa.array(kept)


def _blank(count: int) -> pd.DataFrame:
    return pd.DataFrame(index=pd.RangeIndex(count))
