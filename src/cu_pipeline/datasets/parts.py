from typing import Any

import pandas as pd

from cu_pipeline.core.atomic import atomic_path
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.records import TABLES, completed, table
from cu_pipeline.datasets.local import LocalDataset
from cu_pipeline.datasets.schema import check_table


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
        parts = [completed(pd.read_parquet(path), columns) for path in sorted(self._filepath.glob("part-*.parquet"))]
        return pd.concat(parts, ignore_index=True) if parts else table([], columns)

    def save(self, data: pd.DataFrame) -> None:
        self._filepath.mkdir(parents=True, exist_ok=True)
        if data.empty:
            return
        check_table(data, self._schema, f"It was not added to {self._filepath}. Remedy: report this")
        number = len(list(self._filepath.glob("part-*.parquet")))
        name = json_sha256(data.astype(str).to_numpy().tolist())[:12]
        with atomic_path(self._filepath / f"part-{number:06}-{name}.parquet") as temporary:
            data.to_parquet(temporary, index=False)
