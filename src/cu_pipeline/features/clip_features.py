"""Features of many clips side by side, as models read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.features.extractor import (
    FeatureKey,
    Form,
    Source,
    Values,
    Vectors,
    empty_values,
    form_of,
    joined_values,
)
from cu_pipeline.features.pictures import Pictures
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import EXTRACTORS

CONTENT: Final[dict[Source, str]] = {"media": "media_sha256", "text": "text_sha256"}
"""The column of `clips` that holds the hash of each kind of content."""


@dataclass(frozen=True)
class Feature:
    """What one extractor says of n clips.

    Attributes:
        values: float32 (n, *shape), zeros where absent; texts (n), "" where absent; or pictures.
        present: bool (n).
    """

    values: Values
    present: NDArray[np.bool_]

    @property
    def form(self) -> Form:
        """Whether its values are vectors, texts or pictures."""
        return form_of(self.values.shape[1:])

    @classmethod
    def read(cls, values: Values) -> "Feature":
        """Take what the store or an extractor gave: NaN, None and "" say that there is nothing."""
        if isinstance(values, Pictures):
            return cls(values, values.present)
        if values.dtype == object:
            texts = np.array([text or "" for text in values], dtype=object)
            return cls(texts, np.array([bool(text) for text in texts], dtype=np.bool_))
        present = np.asarray(~np.isnan(values).any(axis=tuple(range(1, values.ndim))), dtype=np.bool_)
        return cls(np.where(present.reshape(-1, *[1] * (values.ndim - 1)), values, np.float32(0)), present)

    def take(self, rows: Sequence[int] | NDArray[Any]) -> "Feature":
        """The clips at the positions `rows`."""
        return Feature(self.values[rows], self.present[rows])

    def joined(self, other: "Feature") -> "Feature":
        """These clips and then those of another table."""
        return Feature(joined_values([self.values, other.values]), np.concatenate([self.present, other.present]))

    def vector(self) -> Vectors:
        """One vector a clip: the mean over all axes but the last, float32 (n, width)."""
        vectors: Vectors = self.values.mean(axis=tuple(range(1, self.values.ndim - 1)))
        return vectors

    def summaries(self, name: str) -> dict[str, Vectors]:
        """What a practitioner would look at first, by name: the vector, and of a sequence how its steps differ.

        That is their standard deviation and the mean absolute difference of neighbours, float32 (n, 2 × width).
        """
        found = {name: self.vector()}
        if self.values.ndim == 3 and self.values.shape[1] > 1:
            differences = [self.values.std(axis=1), np.abs(np.diff(self.values, axis=1)).mean(axis=1)]
            found[f"{name}_differences"] = np.concatenate(differences, axis=1)
        return found


@dataclass(frozen=True)
class ClipFeatures:
    """Features of n clips by extractor, in the order in which a model reads them.

    Attributes:
        features: extractor -> its feature.
        count: n.
    """

    features: Mapping[str, Feature]
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, name: str) -> Feature:
        return self.features[name]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of one clip's values, which `form_of` reads."""
        return {name: feature.values.shape[1:] for name, feature in self.features.items()}

    def vectors(self) -> dict[str, Feature]:
        """Those that are numbers."""
        return {name: feature for name, feature in self.features.items() if feature.form == "vectors"}

    def only(self, names: Sequence[str]) -> "ClipFeatures":
        """The same clips with some of their features, in the order given."""
        return ClipFeatures({name: self.features[name] for name in names}, self.count)

    def take(self, rows: Sequence[int] | NDArray[Any]) -> "ClipFeatures":
        """The clips at the positions `rows`."""
        return ClipFeatures({name: feature.take(rows) for name, feature in self.features.items()}, len(rows))

    def joined(self, others: "ClipFeatures") -> "ClipFeatures":
        """These clips and then the others, of which the same features are known."""
        return ClipFeatures(
            {name: feature.joined(others[name]) for name, feature in self.features.items()}, len(self) + len(others)
        )


def read_features(clips: pd.DataFrame, store: FeatureStore, inputs: Mapping[str, FeatureKey]) -> ClipFeatures:
    """Read the stored features of `clips`, in their order; what could not be computed counts as absent.

    Args:
        clips: n rows of the table of clips.
        store: of the features.
        inputs: extractor -> which of its features.

    Raises:
        StoreError: no feature of an extractor is stored yet.
    """
    features = {name: Feature.read(_read(clips[content_column(name)], store, key)) for name, key in inputs.items()}
    return ClipFeatures(features, len(clips))


def has_features(clips: pd.DataFrame, store: FeatureStore, inputs: Mapping[str, FeatureKey]) -> NDArray[np.bool_]:
    """Which clips have all that the extractors make of their contents stored: bool (n)."""
    ready = np.ones(len(clips), dtype=bool)
    for name, key in inputs.items():
        contents = clips[content_column(name)]
        ready &= ~contents.isin(store.missing(key, [content for content in contents if content])).to_numpy()
    return ready


def content_column(name: str) -> str:
    """The column of `clips` with the hash of the content that the extractor `name` looks at."""
    return CONTENT[EXTRACTORS[name].source]


@dataclass
class FeatureReader:
    """Features of some clips for several models: those that two of them read are read once.

    Attributes:
        clips: n rows of the table of clips.
        store: of the features.
    """

    clips: pd.DataFrame
    store: FeatureStore
    _known: dict[tuple[str, str], Feature] = field(default_factory=dict)

    def read(self, inputs: Mapping[str, FeatureKey]) -> ClipFeatures:
        """The features of all clips that a model reads.

        Raises:
            StoreError: no feature of an extractor is stored yet.
        """
        for name, key in inputs.items():
            if (name, key.fingerprint) not in self._known:
                self._known[name, key.fingerprint] = read_features(self.clips, self.store, {name: key})[name]
        return ClipFeatures({name: self._known[name, key.fingerprint] for name, key in inputs.items()}, len(self.clips))


Embedding = tuple[Vectors, dict[str, int]]
"""One vector a clip, float32 (n, width), and the widths of its parts by `part_name`, in order."""


def embedding(features: Mapping[str, Feature], count: int) -> Embedding:
    """Put the vectors of n clips into one each, for drift tests.

    Args:
        features: by `part_name`.
        count: n.
    """
    parts = {name: feature.vector() for name, feature in sorted_parts(features).items() if feature.form == "vectors"}
    whole = np.concatenate([np.empty((count, 0), dtype=np.float32), *parts.values()], axis=1)
    return whole, {name: part.shape[1] for name, part in parts.items()}


def part_name(key: FeatureKey) -> str:
    """Name a part of an embedding by what made it: `EXTRACTOR@FINGERPRINT`."""
    return f"{key.name}@{key.fingerprint}"


def sorted_parts(features: Mapping[str, Feature]) -> dict[str, Feature]:
    """The parts in the order of the table of extractors."""
    order = {name: place for place, name in enumerate(EXTRACTORS)}
    return dict(sorted(features.items(), key=lambda item: (order[item[0].partition("@")[0]], item[0])))


def _read(contents: "pd.Series[str]", store: FeatureStore, key: FeatureKey) -> Values:
    values = empty_values(key.shape, len(contents))
    given = (contents != "").to_numpy()
    if given.any():
        values[given] = store.read(key, contents[given].tolist(), partial=True)
    return values
