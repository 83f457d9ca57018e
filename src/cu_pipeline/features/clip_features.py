from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.features.extractor import Extractor, Identity, Vectors
from cu_pipeline.features.store import FeatureStore

CONTENT: dict[str, str] = {"media": "media_sha256", "text": "text_sha256"}
"""The column of `clips` that holds the hash of each kind of content."""


@dataclass(frozen=True)
class ClipFeatures:
    """Features of n clips, ready for a head; absent ones are zeros.

    Attributes:
        frames: float32 (n, frames, 1280).
        has_frames: bool (n).
        caption: float32 (n, 384).
        has_caption: bool (n).
    """

    frames: Vectors
    has_frames: NDArray[np.bool_]
    caption: Vectors
    has_caption: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.frames)

    def parts(self) -> tuple[Vectors, NDArray[np.bool_], Vectors, NDArray[np.bool_]]:
        """Give the arrays in the order of a head's arguments."""
        return self.frames, self.has_frames, self.caption, self.has_caption

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> "ClipFeatures":
        """Give the clips at the positions `rows`."""
        return ClipFeatures(self.frames[rows], self.has_frames[rows], self.caption[rows], self.has_caption[rows])

    def embedding(self) -> Vectors:
        """Give one vector a clip for drift tests: mean frame, then caption: float32 (n, 1664)."""
        return np.concatenate([self.frames.mean(1), self.caption], axis=1)


def read_features(clips: pd.DataFrame, store: FeatureStore, extractors: Mapping[str, Extractor]) -> ClipFeatures:
    """Read the stored features of `clips`, in their order; what could not be computed counts as absent.

    Raises:
        StoreError: no feature of an extractor is stored yet.
    """
    frames, has_frames = _read(clips["media_sha256"], store, extractors["frames"].identity)
    caption, has_caption = _read(clips["text_sha256"], store, extractors["captions"].identity)
    return ClipFeatures(frames, has_frames, caption, has_caption)


def _read(keys: "pd.Series[str]", store: FeatureStore, identity: Identity) -> tuple[Vectors, NDArray[np.bool_]]:
    vectors = np.zeros((len(keys), *identity.shape), dtype=np.float32)
    present = (keys != "").to_numpy()
    if present.any():
        vectors[present] = store.read(identity, keys[present].tolist(), partial=True)
    refused = np.isnan(vectors).reshape(len(keys), -1).any(1)
    vectors[refused] = 0
    return vectors, present & ~refused
