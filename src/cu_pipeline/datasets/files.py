"""Handles of what other programs write, and of what an earlier run left."""

from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.datasets.local import LocalDataset
from cu_pipeline.datasets.tables import ParquetTable, TextFile


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


class EarlierTable(ParquetTable):
    """A table that an earlier run may have left; without rows and columns where there is none."""

    def load(self) -> pd.DataFrame:
        return super().load() if self._filepath.is_file() else pd.DataFrame()
