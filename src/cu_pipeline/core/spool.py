"""Tables that grow by batches, in memory first and then in a file without a name."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from cu_pipeline.core.batch_file import BatchFile
from cu_pipeline.core.rows import BATCH, Rows, rows_of_arrow, stacked, to_arrow

if TYPE_CHECKING:
    import pyarrow as pa


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
        self._file: BatchFile | None = None

    def add(self, found: "pa.Table") -> None:
        import pyarrow as pa

        absent = [name for name in self.schema.names if name not in found.column_names]
        for name in absent:
            found = found.append_column(name, pa.array([""] * found.num_rows, pa.string()))
        self._held.append(found.select(self.schema.names).cast(self.schema))
        self._count += found.num_rows
        if self._count > BATCH:
            self._file = self._file or BatchFile(self.schema)
            self._file.write(self._held)
            self._held = []

    def rows(self) -> Rows:
        import pyarrow as pa

        if self._file is None:
            return rows_of_arrow(pa.concat_tables(self._held) if self._held else self.schema.empty_table())
        return Rows(tuple(self.schema.names), self._count, self._file.opened().read)


def _schema(fields: "Sequence[pa.Field]") -> "pa.Schema":
    import pyarrow as pa

    return pa.schema(list(fields))
