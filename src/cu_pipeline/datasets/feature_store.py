from cu_pipeline.datasets.local import LocalDataset
from cu_pipeline.features.chunk import FeatureChunk
from cu_pipeline.features.store import FeatureStore


class FeatureStoreDataset(LocalDataset[FeatureChunk, FeatureStore]):
    """The feature store: saving appends one chunk, loading opens the store."""

    def load(self) -> FeatureStore:
        return FeatureStore(self._filepath)

    def save(self, data: FeatureChunk) -> None:
        FeatureStore(self._filepath).append(data.identity, data.keys, data.vectors)
