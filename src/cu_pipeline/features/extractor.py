"""What every extractor has, and how its features are named."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.options import Options
from cu_pipeline.media.sampling import Sampling

Vectors: TypeAlias = NDArray[np.float32]
Texts: TypeAlias = NDArray[np.object_]
"""Strings, or None where the content was refused."""

Values: TypeAlias = NDArray[Any]
"""`Vectors` or `Texts`."""

Source: TypeAlias = Literal["media", "text"]


class FeatureKey(Protocol):
    """What names a feature in the store, whether or not this installation can compute it."""

    @property
    def name(self) -> str:
        """Of the extractor."""

    @property
    def fingerprint(self) -> str:
        """A short hash of all that decides the values, but for the content."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one clip's vectors; () for a text."""


@dataclass(frozen=True)
class Identity:
    """All that decides the values of a feature, but for the content it is made from.

    Attributes:
        name: of the extractor.
        version: raised when the extractor's code changes its values.
        shape: of one clip's feature; () for a text.
        weights_sha256: of the model's weights file.
        parameters: that the values depend on.
        decoder: name and versions of what turned the media into pixels; empty for text.
    """

    name: str
    version: int
    shape: tuple[int, ...]
    weights_sha256: str
    parameters: dict[str, Any] = field(default_factory=dict)
    decoder: dict[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """A short hash of the identity; with a content hash it is a feature's key."""
        return json_sha256(asdict(self))[:16]


class Extractor(Protocol):
    """Turns the content of clips into features: vectors, or texts where its identity's shape is ().

    It is made with the fields of its `options` as keyword arguments. Only `prepare` runs in worker processes, for
    media, so that a bad file costs that file alone; pickled, an extractor carries its parameters and no model.
    """

    options: ClassVar[type[Options]]
    source: ClassVar[Source]

    @property
    def identity(self) -> Identity:
        """What decides the values, for the feature's key."""

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments it was made with, from which `features.table.build` makes it again."""

    @property
    def sampling(self) -> Sampling[Any] | None:
        """The frames that it wants of a clip, which is decoded once for all extractors; None: it wants no frames."""

    def prepare(self, content: Any) -> Any:
        """Turn one clip's content into the model's input.

        Args:
            content: the text; of media the list of converted frames, or the file's path where `sampling` is None.

        Raises:
            BadClipError: the content cannot be used.
        """

    def encode(self, prepared: Sequence[Any]) -> Values:
        """Run the model on prepared contents.

        Returns:
            float32 (len(prepared), *identity.shape), or strings (len(prepared),).
        """


@runtime_checkable
class Tagger(Extractor, Protocol):
    """An extractor whose vectors tell in words what clips show."""

    def tags(self, values: Vectors, most: int, least_probability: float) -> list[str]:
        """Name what n clips show, the likeliest first; "" where nothing is likely enough.

        Args:
            values: as `encode` gives them; NaN where there are none.
            most: tags of a clip, at most.
            least_probability: of a tag.
        """


@dataclass(frozen=True)
class FeatureChunk:
    """Newly computed features of one extractor.

    Attributes:
        identity: of the extractor.
        keys: content hashes (n).
        values: float32 (n, *identity.shape), NaN where the content was refused; or texts (n), None there.
    """

    identity: Identity
    keys: list[str]
    values: Values


def shapes_of(extractors: Mapping[str, Extractor]) -> dict[str, tuple[int, ...]]:
    """The shape of one clip's feature by extractor; () for a text."""
    return {name: one.identity.shape for name, one in extractors.items()}
