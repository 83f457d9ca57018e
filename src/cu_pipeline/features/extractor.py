from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.hashing import json_sha256

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Identity:
    """All that decides the values of a feature, but for the content it is made from.

    Attributes:
        name: of the extractor.
        version: raised when the extractor's code changes its values.
        shape: of one clip's feature.
        parameters: that the values depend on.
        weights_sha256: of the model's weights file.
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
    """Turns the content of clips into features."""

    @property
    def identity(self) -> Identity:
        """What decides the values, for the feature's key."""

    @property
    def parameters(self) -> dict[str, Any]:
        """What `features.table.build` needs to make it again."""

    @property
    def source(self) -> Literal["media", "text"]:
        """Which content it reads; the key uses that content's hash."""

    def prepare(self, content: str) -> Any:
        """Turn one clip's content into the model's input, in a worker process for media.

        Args:
            content: a media file's path, or a text.

        Raises:
            BadClipError: the content cannot be used.
        """

    def encode(self, prepared: Sequence[Any]) -> Vectors:
        """Run the model on prepared contents.

        Returns:
            float32 array (len(prepared), *identity.shape).
        """
