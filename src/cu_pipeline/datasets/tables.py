"""Datasets of single files, written atomically: a crash leaves the old file or the new one."""

import json
from typing import Any

import pandas as pd

from cu_pipeline.core.atomic import atomic_path, write_text
from cu_pipeline.datasets.local import LocalDataset


class ParquetTable(LocalDataset[pd.DataFrame, pd.DataFrame]):
    """A pandas table in one Parquet file; equal tables give equal bytes."""

    def load(self) -> pd.DataFrame:
        return pd.read_parquet(self._filepath)

    def save(self, data: pd.DataFrame) -> None:
        with atomic_path(self._filepath) as temporary:
            data.to_parquet(temporary, index=False)


class CSVTable(LocalDataset[pd.DataFrame, pd.DataFrame]):
    """A pandas table in one CSV file, read back as text with empty cells as ""."""

    def load(self) -> pd.DataFrame:
        return pd.read_csv(self._filepath, dtype=str, keep_default_na=False)

    def save(self, data: pd.DataFrame) -> None:
        with atomic_path(self._filepath) as temporary:
            data.to_csv(temporary, index=False)


class JSONFile(LocalDataset[Any, Any]):
    """A JSON value in one file, indented and with sorted keys for people and for diffs."""

    def load(self) -> Any:
        return json.loads(self._filepath.read_text(encoding="utf-8"))

    def save(self, data: Any) -> None:
        text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        write_text(self._filepath, text + "\n")


class TextFile(LocalDataset[str, str]):
    """A UTF-8 text in one file."""

    def load(self) -> str:
        return self._filepath.read_text(encoding="utf-8")

    def save(self, data: str) -> None:
        write_text(self._filepath, data)
