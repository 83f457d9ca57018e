import json
import logging
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.place_cache import GIGABYTE, PlaceCache
from cu_pipeline.datasets.local import LocalDataset
from cu_pipeline.features.earlier_texts import read_earlier_texts
from cu_pipeline.features.extractor import FeatureChunk
from cu_pipeline.features.shared_media import SharedMedia
from cu_pipeline.features.store import FeatureStore

RECORD: Final = "store.json"
"""Tells in the store's folder where its features lie when that is not there, so that it travels with the data."""

_log = logging.getLogger(__name__)


class FeatureStoreDataset(LocalDataset[FeatureChunk, FeatureStore]):
    """The feature store: saving appends one chunk, loading opens the store, an empty one where there is none yet.

    What is on a shared place is no output that DVC could copy. The folder then holds a file with the address, which
    stays the same while the store grows: features follow from the clips and the parameters, which DVC does compare.

    Args:
        filepath: folder of the store.
        place: address of the shared place where the features lie instead; None: in the folder.
        media: address of the shared place where machines find media that they lack; None: all have them.
        cache_gb: gigabytes of copies that are kept on this machine of what is on a shared place.
        metadata: ignored here; read by the generator of `dvc.yaml`.
    """

    def __init__(
        self,
        *,
        filepath: str,
        place: str | None = None,
        media: str | None = None,
        cache_gb: float = 20,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._place, self._media = place, media
        self._cache_gb = cache_gb
        self._store: FeatureStore | None = None

    def load(self) -> FeatureStore:
        self._filepath.mkdir(parents=True, exist_ok=True)  # DVC wants to find what a stage reads
        if self._store is None:
            self._store = self._opened()
        return self._store

    def save(self, data: FeatureChunk) -> None:
        self.load().append(data.identity, data.keys, data.values)

    def _opened(self) -> FeatureStore:
        cache = PlaceCache(most=round(self._cache_gb * GIGABYTE))
        media = SharedMedia(self._media, cache) if self._media else None
        record = self._filepath / RECORD
        known = place_of(self._filepath)
        if self._place is None:
            if known:
                _log.warning(
                    "%s says that features lie on %s, but the parameter `stores.features` is not set: they are looked "
                    "for in this folder. Set it, or remove the file",
                    record,
                    known,
                )
            return FeatureStore(self._filepath, media=media)
        if known != self._place:
            write_text(record, json.dumps({"features": self._place}) + "\n")
        return FeatureStore(self._place, cache, media)

    def _exists(self) -> bool:
        return self._place is not None or super()._exists()

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "place": self._place}


def place_of(folder: Path) -> str | None:
    """Read where the features of a store's folder lie; None: in the folder."""
    try:
        return str(json.loads((folder / RECORD).read_text(encoding="utf-8"))["features"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


class EarlierTexts(LocalDataset[None, dict[str, str]]):
    """Texts on screen that an earlier version read; {} where there is no such file."""

    def load(self) -> dict[str, str]:
        return read_earlier_texts(self._filepath)

    def save(self, data: None) -> None:
        raise NotImplementedError("texts are kept in the feature store now")
