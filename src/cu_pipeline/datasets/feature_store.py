from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from cu_pipeline.features.chunk import FeatureChunk
from cu_pipeline.features.store import FeatureStore


class FeatureStoreDataset(AbstractDataset[FeatureChunk, FeatureStore]):
    """The feature store: saving appends one chunk, loading opens the store.

    Args:
        filepath: the store's folder.
        metadata: ignored here; read by the generator of `dvc.yaml`.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> FeatureStore:
        return FeatureStore(self._filepath)

    def save(self, data: FeatureChunk) -> None:
        FeatureStore(self._filepath).append(data.identity, data.keys, data.vectors)

    def _exists(self) -> bool:
        return self._filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
