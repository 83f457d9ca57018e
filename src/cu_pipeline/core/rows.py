"""Tables that need not fit into memory: their rows are made, read and sorted a batch at a time."""

import os
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import RawIOBase
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.atomic import no_space_told
from cu_pipeline.core.paths import from_stored

if TYPE_CHECKING:
    import pyarrow as pa

BATCH: Final = 2**17
"""Rows that are worked on together. So many are held in memory; more lie in a file."""

FOLDER: Final = "data/02_intermediate"
"""Of a project, on whose disk the files of unfinished tables lie."""

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
    return _held(to_arrow(frame))


def read_parquet_rows(path: Path) -> Rows:
    """Open a Parquet file; it is read when its rows are."""
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        names, count = file.schema_arrow.names, file.metadata.num_rows

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


class Spool:
    """A table that grows by batches. The first ones stay in memory, more go to a file that has no name.

    The file lies on the project's disk and vanishes when nobody holds the rows any longer, also when the process is
    killed. A batch may have columns that those before it lack; they hold "" there.
    """

    def __init__(self) -> None:
        self._parts: list[_Part] = []

    def add(self, batch: "pd.DataFrame | pa.Table") -> None:
        """Add rows, if there are any.

        Raises:
            NoSpaceError: the disk is full.
        """
        found = to_arrow(batch) if isinstance(batch, pd.DataFrame) else batch
        names = self._parts[-1].schema.names if self._parts else []
        if not self._parts or not set(found.column_names) <= set(names):
            more = [one for one in found.schema if one.name not in names]
            before = list(self._parts[-1].schema) if self._parts else []
            self._parts.append(_Part(found.schema.empty_table().schema if not before else _schema([*before, *more])))
        self._parts[-1].add(found)

    def rows(self) -> Rows:
        """Give the rows that were added; nothing can be added any longer."""
        return stacked([part.rows() for part in self._parts]) if self._parts else Rows((), 0, lambda _: iter(()))


def spooled(batches: "Iterable[pd.DataFrame | pa.Table]") -> Rows:
    """Gather batches."""
    spool = Spool()
    for batch in batches:
        spool.add(batch)
    return spool.rows()


class _Part:
    """Rows of one schema."""

    def __init__(self, schema: "pa.Schema") -> None:
        self.schema = schema
        self._held: list[pa.Table] = []
        self._count = 0
        self._file: _File | None = None

    def add(self, found: "pa.Table") -> None:
        import pyarrow as pa

        absent = [name for name in self.schema.names if name not in found.column_names]
        for name in absent:
            found = found.append_column(name, pa.array([""] * found.num_rows, pa.string()))
        self._held.append(found.select(self.schema.names).cast(self.schema))
        self._count += found.num_rows
        if self._count > BATCH:
            self._file = self._file or _File(self.schema)
            self._file.write(self._held)
            self._held = []

    def rows(self) -> Rows:
        import pyarrow as pa

        if self._file is None:
            return _held(pa.concat_tables(self._held) if self._held else self.schema.empty_table())
        return Rows(tuple(self.schema.names), self._count, self._file.opened().read)


class _Disk:
    """A file without a name, which is closed when nobody holds this any longer.

    Args:
        folder: on whose disk it lies.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        weakref.finalize(self, self.file.close)


class _File:
    """Arrow batches that are written to the disk."""

    def __init__(self, schema: "pa.Schema") -> None:
        import pyarrow as pa

        folder = from_stored(FOLDER)
        with no_space_told(folder):
            self._disk = _Disk(folder)
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writer = pa.ipc.new_file(pa.PythonFile(self._disk.file, "w"), schema, options=options)
        self._folder = folder

    def write(self, tables: "Sequence[pa.Table]") -> None:
        with no_space_told(self._folder):
            for one in tables:
                for batch in one.combine_chunks().to_batches(BATCH):
                    self._writer.write_batch(batch)

    def opened(self) -> "_Batches":
        with no_space_told(self._folder):
            self._writer.close()
            self._disk.file.flush()
        return _Batches(self._disk)


class _Batches:
    """The finished file; each reader has a place of its own in it."""

    def __init__(self, disk: _Disk) -> None:
        self._disk = disk

    def read(self, names: Sequence[str]) -> Iterator["pa.Table"]:
        import pyarrow as pa

        file = self.open(names)
        for number in range(file.num_record_batches):
            yield pa.Table.from_batches([file.get_batch(number)]).select(names)

    def open(self, names: Sequence[str]) -> Any:
        import pyarrow as pa

        known = pa.ipc.open_file(_Reader(self._disk)).schema.names
        options = pa.ipc.IpcReadOptions(included_fields=sorted(known.index(name) for name in names))
        return pa.ipc.open_file(_Reader(self._disk), options=options)


class _Reader(RawIOBase):
    """Reads a file that others read too."""

    def __init__(self, disk: _Disk) -> None:
        self._disk, self._place, self._size = disk, 0, os.fstat(disk.file.fileno()).st_size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        return self._place

    def read(self, size: int = -1) -> bytes:
        found = os.pread(self._disk.file.fileno(), self._size if size < 0 else size, self._place)
        self._place += len(found)
        return found


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
        return _held(pa.concat_tables(list(rows.arrow())).take(np.argsort(rank)))
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


_RANK: Final = "_rank"
_RUN: Final = 4
"""Batches that are sorted together."""


class _Pieces:
    """A file with what each run has for each batch of the result."""

    def __init__(self, count: int) -> None:
        self.of_batch: list[list[int]] = [[] for _ in range(-(-count // BATCH))]
        self._file: _File | None = None
        self._written = 0

    def add(self, run: "pa.Table", rank: NDArray[np.int64]) -> None:
        order = np.argsort(rank)
        run = run.append_column(_RANK, [rank]).take(order).combine_chunks()
        self._file = self._file or _File(run.schema)
        places = np.searchsorted(rank[order], np.arange(len(self.of_batch) + 1) * BATCH)
        for number, (start, stop) in enumerate(pairwise(places.tolist())):
            if stop > start:
                self._file.write([run.slice(start, stop - start)])
                self.of_batch[number].append(self._written)
                self._written += 1

    def opened(self) -> _Batches:
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


def _held(found: "pa.Table") -> Rows:
    return Rows(tuple(found.column_names), found.num_rows, lambda names: iter([found.select(names)]))


def _chosen(columns: "Mapping[str, Any]") -> "pa.Table":
    import pyarrow as pa

    return pa.table(dict(columns))


def _schema(fields: "Sequence[pa.Field]") -> "pa.Schema":
    import pyarrow as pa

    return pa.schema(list(fields))


def _mask(kept: NDArray[np.bool_]) -> Any:
    import pyarrow as pa

    return pa.array(kept)


def _blank(count: int) -> pd.DataFrame:
    return pd.DataFrame(index=pd.RangeIndex(count))
