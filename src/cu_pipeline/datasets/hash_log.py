from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from cu_pipeline.media.hash_log import Hashed, HashLog


class HashLogDataset(AbstractDataset[Iterable[Hashed], dict[str, Hashed]]):
    """Perceptual hashes of media files: saving appends, loading gives all by key.

    Args:
        filepath: the log's file.
        metadata: ignored here; read by the generator of `dvc.yaml`.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, Hashed]:
        return HashLog(self._filepath).read()

    def save(self, data: Iterable[Hashed]) -> None:
        HashLog(self._filepath).append(data)

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
