from cu_pipeline.datasets.local import LocalDataset
from cu_pipeline.features.extractor import FeatureChunk
from cu_pipeline.features.store import FeatureStore, read_earlier_texts


class FeatureStoreDataset(LocalDataset[FeatureChunk, FeatureStore]):
    """The feature store: saving appends one chunk, loading opens the store, an empty one where there is none yet."""

    def load(self) -> FeatureStore:
        self._filepath.mkdir(parents=True, exist_ok=True)  # DVC wants to find what a stage reads
        return FeatureStore(self._filepath)

    def save(self, data: FeatureChunk) -> None:
        FeatureStore(self._filepath).append(data.identity, data.keys, data.values)


class EarlierTexts(LocalDataset[None, dict[str, str]]):
    """Texts on screen that an earlier version read; {} where there is no such file."""

    def load(self) -> dict[str, str]:
        return read_earlier_texts(self._filepath)

    def save(self, data: None) -> None:
        raise NotImplementedError("texts are kept in the feature store now")
