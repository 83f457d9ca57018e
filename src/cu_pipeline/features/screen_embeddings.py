from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.options import Options
from cu_pipeline.features.caption_encoder import CaptionEncoder
from cu_pipeline.features.extractor import Identity, Source, Vectors
from cu_pipeline.features.multilingual_captions import MultilingualCaptionEncoder
from cu_pipeline.features.screen_text import ScreenTextOptions, ScreenTextReader
from cu_pipeline.media.sampling import Sampling

_ENCODERS: Final[dict[str, type[CaptionEncoder] | type[MultilingualCaptionEncoder]]] = {
    "captions": CaptionEncoder,
    "captions_multilingual": MultilingualCaptionEncoder,
}
"""Encoders of captions, by the names that they have as extractors."""


class ScreenEmbeddingOptions(ScreenTextOptions):
    """Parameters of the text on screen as a vector: how it is read, and by what it is encoded.

    Attributes:
        encoder: an encoder of captions, with its defaults: `captions` knows English only.
    """

    encoder: Literal["captions", "captions_multilingual"] = "captions"


class ScreenEmbeddings:
    """Text on screen through an encoder of captions, as a second text beside the caption.

    A clip that shows no text has none, and it counts as absent.

    Args:
        frames: of a clip that are read, spread evenly over its time.
        size: longer side in pixels that the detector of text sees.
        least_confidence: of a line, below which it is left out.
        encoder: of captions, by its name as an extractor.
    """

    options: ClassVar[type[Options]] = ScreenEmbeddingOptions
    packages: ClassVar[tuple[str, ...]] = ScreenTextReader.packages
    source: ClassVar[Source] = "media"
    modality: ClassVar[str] = "screen_text"

    def __init__(
        self, frames: int = 2, size: int = 480, least_confidence: float = 0.8, encoder: str = "captions"
    ) -> None:
        self._reader = ScreenTextReader(frames, size, least_confidence)
        self._named = encoder

    def __getstate__(self) -> dict[str, Any]:
        """Send only the parameters to worker processes, neither engine nor network."""
        return {"_reader": self._reader, "_named": self._named}

    @cached_property
    def identity(self) -> Identity:
        """What decides the values: all that decides the text, and all that decides its encoding."""
        text, encoded = self._reader.identity, self._encoder.identity
        return Identity(
            name="screen_embeddings",
            version=1,
            shape=encoded.shape,
            weights_sha256=json_sha256([text.weights_sha256, encoded.weights_sha256]),
            parameters={"text": text.fingerprint, "encoder": encoded.fingerprint},
            decoder=text.decoder,
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments it was made with."""
        return self._reader.parameters | {"encoder": self._named}

    @property
    def sampling(self) -> Sampling[NDArray[np.uint8]]:
        """The frames that are read."""
        return self._reader.sampling

    def prepare(self, content: Sequence[NDArray[np.uint8]]) -> str | None:
        """Read one clip's frames, in a worker process; None where they show no text."""
        text = self._reader.prepare(content)
        return self._encoder.prepare(text) if text else None

    def encode(self, prepared: Sequence[str]) -> Vectors:
        """Encode texts: float32 (clips, width), each of length 1."""
        return self._encoder.encode(prepared)

    @cached_property
    def _encoder(self) -> CaptionEncoder | MultilingualCaptionEncoder:
        return _ENCODERS[self._named]()
