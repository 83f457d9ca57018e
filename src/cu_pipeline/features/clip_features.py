"""Features of many clips side by side, as models read them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.features.extractor import (
    FeatureKey,
    Form,
    Source,
    Values,
    Vectors,
    form_of,
    joined_values,
)
from cu_pipeline.features.pictures import Pictures
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import EXTRACTORS

CONTENT: Final[dict[Source, str]] = {"media": "media_sha256", "text": "text_sha256"}
"""The column of `clips` that holds the hash of each kind of content."""


Rows: TypeAlias = Sequence[int] | NDArray[Any] | slice
"""Positions of clips."""

BLOCK: Final = 20_000
"""Clips that are looked at together where there are many, which bounds the memory that this takes."""


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
        present = _without_nan(values)
        if present.all():
            return cls(values, present)
        return cls(np.where(present.reshape(-1, *[1] * (values.ndim - 1)), values, np.float32(0)), present)

    @classmethod
    def taken_over(cls, values: Values) -> "Feature":
        """The same of values that nobody else holds, in place: of vectors no second copy is made."""
        if form_of(values.shape[1:]) != "vectors":
            return cls.read(values)
        present = _without_nan(values)
        values[~present] = 0
        return cls(values, present)

    def take(self, rows: Rows) -> "Feature":
        """The clips at the positions `rows`; a slice shares the memory."""
        return Feature(self.values[rows], self.present[rows])

    def known(self) -> "Feature":
        """The clips that have it; the very feature where all do."""
        return self if self.present.all() else self.take(np.flatnonzero(self.present))

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

    def take(self, rows: Rows) -> "ClipFeatures":
        """The clips at the positions `rows`; a slice shares the memory."""
        count = len(range(*rows.indices(len(self)))) if isinstance(rows, slice) else len(rows)
        return ClipFeatures({name: feature.take(rows) for name, feature in self.features.items()}, count)

    def joined(self, others: "ClipFeatures") -> "ClipFeatures":
        """These clips and then the others, of which the same features are known."""
        return ClipFeatures(
            {name: feature.joined(others[name]) for name, feature in self.features.items()}, len(self) + len(others)
        )


def read_features(
    clips: pd.DataFrame, store: FeatureStore, inputs: Mapping[str, FeatureKey], *, least: int = 1
) -> ClipFeatures:
    """Read the stored features of `clips`, in their order; what could not be computed counts as absent.

    Args:
        clips: n rows of the table of clips.
        store: of the features.
        inputs: extractor -> which of its features.
        least: clips, of those that have the content, that must have one of each extractor.

    Raises:
        StoreError: no feature of an extractor is stored yet.
    """
    contents = {name: clips[content_column(name)].tolist() for name in inputs}
    features = {
        name: Feature.taken_over(store.read(key, contents[name], partial=True, least=least))
        for name, key in inputs.items()
    }
    return ClipFeatures(features, len(clips))


_TOGETHER: Final = 512 * 2**20
"""Bytes of the vectors that are held at once while clips are looked at one after the other."""


def in_turn(clips: pd.DataFrame, inputs: Iterable[FeatureKey]) -> Iterator[pd.DataFrame]:
    """Divide clips so that the features of each part fit in memory: whole blocks, so that each is the same as ever.

    Args:
        clips: n rows of the table of clips; the very table where one part does, and where there are none.
        inputs: the features that are read of them.
    """
    step = max(_TOGETHER // max(vector_bytes(one.shape for one in inputs), 1) // BLOCK, 1) * BLOCK
    if len(clips) <= step:
        yield clips
    else:
        yield from (clips.iloc[start : start + step] for start in range(0, len(clips), step))


def vector_bytes(shapes: Iterable[tuple[int, ...]]) -> int:
    """What the features of one clip that are vectors take in memory.

    Args:
        shapes: of one clip's features.
    """
    return sum(4 * int(np.prod(shape)) for shape in shapes if form_of(shape) == "vectors")


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
        least: as in `read_features`.
    """

    clips: pd.DataFrame
    store: FeatureStore
    least: int = 1
    _known: dict[tuple[str, str], Feature] = field(default_factory=dict)

    def read(self, inputs: Mapping[str, FeatureKey]) -> ClipFeatures:
        """The features of all clips that a model reads.

        Raises:
            StoreError: no feature of an extractor is stored yet.
        """
        for name, key in inputs.items():
            if (name, key.fingerprint) not in self._known:
                found = read_features(self.clips, self.store, {name: key}, least=self.least)
                self._known[name, key.fingerprint] = found[name]
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


def _without_nan(values: Vectors) -> NDArray[np.bool_]:
    """Which rows have no NaN: bool (n)."""
    present = np.empty(len(values), dtype=np.bool_)
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK]
        present[start : start + BLOCK] = ~np.isnan(block).any(axis=tuple(range(1, values.ndim)))
    return present
