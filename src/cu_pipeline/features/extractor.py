"""What every extractor has, and how its features are named."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import reduce
from typing import Any, ClassVar, Final, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.options import Options
from cu_pipeline.features.pictures import Pictures
from cu_pipeline.media.sampling import Sampling

Vectors: TypeAlias = NDArray[np.float32]
Texts: TypeAlias = NDArray[np.object_]
"""Strings, or None where the content was refused."""

_PICTURE_AXES: Final = 4
"""Frames, two sides and colours."""

Values: TypeAlias = Any
"""`Vectors`, `Texts` or `Pictures`: arrays, or what behaves like one, of a row a clip."""

Form: TypeAlias = Literal["vectors", "text", "pictures"]

Source: TypeAlias = Literal["media", "text"]


def form_of(shape: Sequence[int]) -> Form:
    """What a feature is, by the shape of one clip's.

    >>> form_of(()), form_of((384,)), form_of((8, 1280)), form_of((32, 256, 256, 3))
    ('text', 'vectors', 'vectors', 'pictures')
    """
    if not shape:
        return "text"
    return "pictures" if len(shape) == _PICTURE_AXES else "vectors"


def empty_values(shape: tuple[int, ...], count: int) -> Values:
    """Features of refused content: NaN (count, *shape), None (count,) for texts, or pictures of no clip.

    Args:
        shape: of one clip's feature.
        count: clips.
    """
    form = form_of(shape)
    if form == "pictures":
        return Pictures([None] * count, shape)
    return np.full((count, *shape), None if form == "text" else np.nan, dtype=object if form == "text" else np.float32)


def joined_values(parts: Sequence[Values]) -> Values:
    """Features of several tables of clips, of which there is one at least, in one.

    What was one array before it was parted is that array again, not a copy.
    """
    if isinstance(parts[0], Pictures):
        return reduce(Pictures.joined, parts)
    whole = parts[0].base
    return _whole_again(whole, parts) if isinstance(whole, np.ndarray) and whole.nbytes else np.concatenate(parts)


def _whole_again(whole: NDArray[Any], parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """What parts that lie one after the other in an array are there; else a copy."""
    kind = (whole.shape[1:], whole.dtype, whole.strides)
    if not all(part.base is whole and (part.shape[1:], part.dtype, part.strides) == kind for part in parts):
        return np.concatenate(parts)
    starts = [(part.ctypes.data - whole.ctypes.data) // whole.strides[0] for part in parts]
    ends = [start + len(part) for start, part in zip(starts, parts, strict=True)]
    return whole[starts[0] : ends[-1]] if starts[1:] == ends[:-1] else np.concatenate(parts)


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
        """Of one clip's feature, which `form_of` reads."""


@dataclass(frozen=True)
class Identity:
    """All that decides the values of a feature, but for the content it is made from.

    Attributes:
        name: of the extractor.
        version: raised when the extractor's code changes its values.
        shape: of one clip's feature, which `form_of` reads.
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


class Preparer(Protocol):
    """Wants frames of a clip, or the file itself, and makes something of them in a worker process."""

    @property
    def sampling(self) -> Sampling[Any] | None:
        """The frames that it wants of a clip; None: it reads the file."""

    def prepare(self, content: Any) -> Any:
        """Turn one clip's frames, or the file's path, into what is wanted of it."""


class Extractor(Protocol):
    """Turns the content of clips into features: vectors, texts or pictures, as its identity's shape says.

    It is made with the fields of its `options` as keyword arguments. It may name its `modality`, where several
    extractors look at the same thing (see `features.table.modality_of`), and the `packages` that it needs beside those
    of the service. Only `prepare` runs in worker processes, for media, so that a bad file costs that file alone;
    pickled, an extractor carries its parameters and no model.
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

        Returns:
            The input; None where the content has nothing for this extractor, such as a silent film no sound.

        Raises:
            BadClipError: the content cannot be used.
        """

    def encode(self, prepared: Sequence[Any]) -> Values:
        """Run the model on prepared contents.

        Returns:
            float32 (len(prepared), *identity.shape), strings (len(prepared),), or `Pictures`.
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
        values: float32 (n, *identity.shape), NaN where the content was refused; or texts (n) or pictures, None there.
    """

    identity: Identity
    keys: list[str]
    values: Values


def shapes_of(extractors: Mapping[str, Extractor]) -> dict[str, tuple[int, ...]]:
    """The shape of one clip's feature by extractor, which `form_of` reads."""
    return {name: one.identity.shape for name, one in extractors.items()}
