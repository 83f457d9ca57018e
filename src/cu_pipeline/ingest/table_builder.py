from typing import Final

import pandas as pd

from cu_pipeline.core.records import Column, table

_CHUNK: Final = 10_000


class TableBuilder:
    """A table that grows by rows; few of them are dictionaries at a time, since a million would take gigabytes.

    Args:
        columns: of the table, in order.
    """

    def __init__(self, columns: dict[str, Column]) -> None:
        self._columns = columns
        self._rows: list[dict[str, object]] = []
        self._tables: list[pd.DataFrame] = []

    def append(self, row: dict[str, object]) -> None:
        """Add a row, which has a value for each column and may have others."""
        self._rows.append(row)
        if len(self._rows) == _CHUNK:
            self._convert()

    def table(self) -> pd.DataFrame:
        """Give the rows so far, with the columns' types."""
        if self._rows or not self._tables:
            self._convert()
        return pd.concat(self._tables, ignore_index=True)

    def _convert(self) -> None:
        self._tables.append(table(self._rows, self._columns))
        self._rows = []
