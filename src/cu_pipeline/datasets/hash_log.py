from collections.abc import Iterable

from cu_pipeline.datasets.local import LocalDataset
from cu_pipeline.media.hash_log import Hashed, HashLog


class HashLogDataset(LocalDataset[Iterable[Hashed], dict[str, Hashed]]):
    """Perceptual hashes of media files: saving appends, loading gives all by key."""

    def load(self) -> dict[str, Hashed]:
        return HashLog(self._filepath).read()

    def save(self, data: Iterable[Hashed]) -> None:
        HashLog(self._filepath).append(data)
