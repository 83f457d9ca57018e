"""Datasets of single files, written atomically: a crash leaves the old file or the new one."""

import json
from pathlib import Path
from typing import Any, Final

import pandas as pd

from cu_pipeline.core.atomic import atomic_path, write_text
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.records import TABLES
from cu_pipeline.datasets.local import LocalDataset
from cu_pipeline.datasets.schema import check_table

_EDITED: Final = (
    "The file {0} was edited, or is of another version of this package. Remedy: bring it back with `dvc checkout {0}`, "
    "or delete it and run the pipeline that writes it"
)


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
        data = self._read()
        if state != self._checked:
            self._check(data, _EDITED.format(self._filepath))
            self._checked = state
        return data

    def save(self, data: pd.DataFrame) -> None:
        self._check(data, f"It was not written to {self._filepath}. Remedy: report this, unless you changed the code")
        with atomic_path(self._filepath) as temporary:
            self._write(data, temporary)
        self._checked = self._state()

    def _read(self) -> pd.DataFrame:
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
    """A pandas table in one Parquet file; equal tables give equal bytes."""

    def _read(self) -> pd.DataFrame:
        return pd.read_parquet(self._filepath)

    def _write(self, data: pd.DataFrame, path: Path) -> None:
        data.to_parquet(path, index=False)


class CSVTable(TableFile):
    """A pandas table in one CSV file, read back as text with empty cells as ""."""

    def _read(self) -> pd.DataFrame:
        return pd.read_csv(self._filepath, dtype=str, keep_default_na=False)

    def _write(self, data: pd.DataFrame, path: Path) -> None:
        data.to_csv(path, index=False)


class JSONFile(LocalDataset[Any, Any]):
    """A JSON value in one file, indented for people and for diffs; keys keep their order."""

    def load(self) -> Any:
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
