"""Datasets of tables, JSON and text in local files, written atomically: a crash leaves the old file or the new one."""

import json
import weakref
from pathlib import Path
from typing import Any, Final

import pandas as pd

from cu_pipeline.core.atomic import atomic_path, write_text
from cu_pipeline.core.errors import ConfigurationError, StoreError
from cu_pipeline.core.hashing import rows_sha256
from cu_pipeline.core.lean import below, is_lean, lean
from cu_pipeline.core.records import TABLES, completed, table
from cu_pipeline.core.rows import BATCH, Rows, read_parquet_rows, rows_of
from cu_pipeline.datasets.local import LocalDataset, damage_told
from cu_pipeline.datasets.row_files import check_rows, write_rows
from cu_pipeline.datasets.schema import check_table

_EDITED: Final = (
    "The file {0} was edited, or is of another version of this package. Remedy: bring it back with `dvc checkout {0}`, "
    "or delete it and run the pipeline that writes it"
)
LARGE: Final = BATCH
"""Rows beyond which a table is read so that it holds no object for each."""

_UNWRITTEN: Final = "It was not written to {0}. Remedy: report this, unless you changed the code"


class TableFile(LocalDataset[pd.DataFrame, pd.DataFrame]):
    """Base of pandas tables in one file, checked when they are saved and when they are loaded.

    What was checked is not checked again while the file stays as it is.

    Args:
        filepath: the file.
        schema: a key of `core.records.TABLES`; None: anything goes.
        metadata: ignored here; read by the generator of `dvc.yaml`.
    """

    def __init__(self, *, filepath: str, schema: str | None = None, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        if schema is not None and schema not in TABLES:
            raise ConfigurationError(f"schema {schema!r} of {filepath} is unknown. Allowed: {', '.join(TABLES)}")
        self._schema = schema
        self._checked: tuple[int, int, int] | None = None

    def load(self) -> pd.DataFrame:
        state = self._state()
        data = self._read(_EDITED.format(self._filepath), checked=state == self._checked)
        self._checked = state
        return data

    def save(self, data: pd.DataFrame) -> None:
        self._check(data, _UNWRITTEN.format(self._filepath))
        with atomic_path(self._filepath) as temporary:
            self._write(data, temporary)
        self._checked = self._state()

    def _read(self, remedy: str, *, checked: bool) -> pd.DataFrame:
        raise NotImplementedError

    def _write(self, data: pd.DataFrame, path: Path) -> None:
        raise NotImplementedError

    def _check(self, data: pd.DataFrame, remedy: str) -> None:
        if self._schema is not None:
            check_table(data, self._schema, remedy)

    def _state(self) -> tuple[int, int, int]:
        status = self._filepath.stat()
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "schema": self._schema}


class ParquetTable(TableFile):
    """A pandas table in one Parquet file; equal tables give equal bytes.

    `Rows`, large tables and those whose text Arrow holds are checked and written a batch at a time. A large table is
    read and checked likewise, and comes as `core.lean` has it; whoever loads it while another still holds it gets the
    very same one.
    """

    _held: "tuple[tuple[int, int, int], weakref.ref[pd.DataFrame]] | None" = None

    def load(self) -> pd.DataFrame:
        state = self._state()
        if self._held is not None and self._held[0] == state and (held := self._held[1]()) is not None:
            return held
        data = super().load()
        self._held = (state, weakref.ref(data)) if len(data) > LARGE else None
        return data

    def save(self, data: pd.DataFrame | Rows) -> None:
        rows = _as_rows(data) if isinstance(data, pd.DataFrame) else data
        if isinstance(rows, pd.DataFrame):
            super().save(rows)
            return
        with atomic_path(self._filepath) as temporary:
            write_rows(rows, temporary, self._schema, _UNWRITTEN.format(self._filepath))
        self._checked = self._state()

    def _read(self, remedy: str, *, checked: bool) -> pd.DataFrame:
        rows = read_parquet_rows(self._filepath)
        if len(rows) > LARGE:
            if not checked:
                check_rows(rows, self._schema, remedy)
            return lean(rows)
        data = pd.read_parquet(self._filepath)
        if not checked:
            self._check(data, remedy)
        return data

    def _write(self, data: pd.DataFrame, path: Path) -> None:
        data.to_parquet(path, index=False)


def _as_rows(table: pd.DataFrame) -> pd.DataFrame | Rows:
    """Take a table for rows, unless it is a small one of objects, or holds what Arrow has no type for."""
    from pyarrow import ArrowException

    if len(table) <= BATCH and not any(is_lean(table[name]) for name in table):
        return table
    try:
        return rows_of(table)
    except ArrowException:  # a check will say what is wrong
        return table


class ParquetRows(ParquetTable):
    """A table in one Parquet file that is read a batch at a time."""

    def load(self) -> Rows:  # type: ignore[override]
        state = self._state()
        data = read_parquet_rows(self._filepath)
        if state != self._checked:
            check_rows(data, self._schema, _EDITED.format(self._filepath))
            self._checked = state
        return data


class CSVTable(TableFile):
    """A pandas table in one CSV file, read back as text with empty cells as ""."""

    def _read(self, remedy: str, *, checked: bool) -> pd.DataFrame:
        data = pd.read_csv(self._filepath, dtype=str, keep_default_na=False)
        if not checked:
            self._check(data, remedy)
        return data

    def _write(self, data: pd.DataFrame, path: Path) -> None:
        data.to_csv(path, index=False)


class JSONFile(LocalDataset[Any, Any]):
    """A JSON value in one file, indented for people and for diffs; keys keep their order."""

    def load(self) -> Any:
        with damage_told(self._filepath):
            return json.loads(self._filepath.read_text(encoding="utf-8"))

    def save(self, data: Any) -> None:
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
        write_text(self._filepath, text + "\n")


class TextFile(LocalDataset[str, str]):
    """A UTF-8 text in one file."""

    def load(self) -> str:
        return self._filepath.read_text(encoding="utf-8")

    def save(self, data: str) -> None:
        write_text(self._filepath, data)


class TextFolder(LocalDataset[dict[str, str], dict[str, str]]):
    """Texts in files of one folder by name; what is no longer among them is removed.

    Args:
        filepath: the folder.
        metadata: ignored here; read by the generator of `dvc.yaml`.
    """

    def load(self) -> dict[str, str]:
        return {path.name: path.read_text(encoding="utf-8") for path in sorted(self._filepath.iterdir())}

    def save(self, data: dict[str, str]) -> None:
        self._filepath.mkdir(parents=True, exist_ok=True)
        for path in self._filepath.iterdir():
            if path.name not in data:
                path.unlink()
        for name, text in data.items():
            write_text(self._filepath / name, text)


class TextTree(LocalDataset[dict[str, str | None], frozenset[str]]):
    """Texts in files of a folder and its subfolders: loading gives their paths; saving writes some and removes some.

    Others stay. What is saved maps paths inside the folder to texts; None removes a file. Files are written in order.

    Args:
        filepath: the folder; it may be absent.
        metadata: ignored here; read by the generator of `dvc.yaml`.
    """

    def load(self) -> frozenset[str]:
        files = (path for path in self._filepath.rglob("*") if path.is_file())
        return frozenset(path.relative_to(self._filepath).as_posix() for path in files)

    def save(self, data: dict[str, str | None]) -> None:
        self._filepath.mkdir(parents=True, exist_ok=True)
        for name, text in data.items():
            if text is None:
                (self._filepath / name).unlink(missing_ok=True)
            else:
                write_text(self._filepath / name, text)


class Folder(LocalDataset[Any, Path]):
    """A folder that is read by its path; it may be absent."""

    def load(self) -> Path:
        return self._filepath

    def save(self, data: Any) -> None:
        raise NotImplementedError(f"{self._filepath} is written by the program that owns it")


class EarlierText(TextFile):
    """A text file that an earlier run may have left; "" where there is none."""

    def load(self) -> str:
        return super().load() if self._filepath.is_file() else ""


class EarlierJSON(JSONFile):
    """A JSON object that an earlier run may have left; {} where there is none that can be read."""

    def load(self) -> Any:
        try:
            return json.loads(self._filepath.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}


class EarlierTable(ParquetTable):
    """A table that an earlier run may have left, its text held by Arrow; without rows and columns where none is."""

    def load(self) -> pd.DataFrame:
        if not self._filepath.is_file():
            return pd.DataFrame()
        rows = read_parquet_rows(self._filepath)
        check_rows(rows, self._schema, _EDITED.format(self._filepath))
        return rows.columns(*rows.names)


class EarlierColumns(LocalDataset[Any, Rows]):
    """Columns of a table that an earlier run may have left; without rows where there is none that can be read.

    A column that the table lacks holds nothing but "".

    Args:
        filepath: the Parquet file.
        columns: their names.
        metadata: ignored here; read by the generator of `dvc.yaml`.
    """

    def __init__(self, *, filepath: str, columns: list[str], metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._columns = columns

    def load(self) -> Rows:
        try:
            return read_parquet_rows(self._filepath).only(self._columns)
        except (OSError, StoreError):
            return rows_of(pd.DataFrame(columns=self._columns))

    def save(self, data: Any) -> None:
        raise NotImplementedError(f"{self._filepath} is written under another name of the catalog")


class ParquetParts(LocalDataset[pd.DataFrame, pd.DataFrame]):
    """A table that grows: saving checks and adds one Parquet part, loading gives all rows; no rows add no part.

    Parts of earlier versions are read too: they get the columns that have come since.

    Args:
        filepath: folder of the parts.
        schema: a key of `core.records.TABLES`.
        metadata: ignored here; read by the generator of `dvc.yaml`.
    """

    def __init__(self, *, filepath: str, schema: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._schema = schema

    def load(self) -> pd.DataFrame:
        columns = TABLES[self._schema].columns
        rows = [read_parquet_rows(path) for path in sorted(self._filepath.glob("part-*.parquet"))]
        large = sum(map(len, rows)) > LARGE
        parts = [completed(lean(one) if large else one.frame(), columns) for one in rows]
        return below(parts) if parts else table([], columns)

    def save(self, data: pd.DataFrame) -> None:
        self._filepath.mkdir(parents=True, exist_ok=True)
        if data.empty:
            return
        number = len(list(self._filepath.glob("part-*.parquet")))
        name = rows_sha256(data)[:12]
        with atomic_path(self._filepath / f"part-{number:06}-{name}.parquet") as temporary:
            write_rows(
                rows_of(data), temporary, self._schema, f"It was not added to {self._filepath}. Remedy: report this"
            )
