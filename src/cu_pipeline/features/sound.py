"""What a clip sounds like, as a feature."""

from collections.abc import Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from cu_pipeline.core.options import Options
from cu_pipeline.features.extractor import Identity, Source, Vectors
from cu_pipeline.features.sound_statistics import measure, statistics, width
from cu_pipeline.media.sound import RATE, read_sound


class SoundOptions(Options):
    """Parameters of the measures of sound.

    Attributes:
        segments: equal parts of the track's time.
        bands: on the mel scale.
        most_s: seconds of a track that are read.
    """

    segments: int = Field(8, ge=1, le=64)
    bands: int = Field(40, ge=8, le=128)
    most_s: float = Field(300, gt=0, le=3600)


class Sound:
    """Statistics of a sound track's mel spectrum, level, pitch, onsets, and of how much goes like speech or music.

    Args:
        segments: equal parts of the track's time.
        bands: on the mel scale.
        most_s: seconds of a track that are read, from its beginning.
    """

    options: ClassVar[type[Options]] = SoundOptions
    source: ClassVar[Source] = "media"
    sampling: ClassVar[None] = None

    def __init__(self, segments: int = 8, bands: int = 40, most_s: float = 300.0) -> None:
        self._segments = segments
        self._bands = bands
        self._most_s = most_s

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments it was made with."""
        return {"segments": self._segments, "bands": self._bands, "most_s": self._most_s}

    @cached_property
    def identity(self) -> Identity:
        """What decides the values, the decoder and its version among it."""
        from cu_pipeline.media.decoding import decoder_identity

        return Identity(
            name="sound",
            version=1,
            shape=(self._segments, width(self._bands)),
            weights_sha256="",
            parameters=self.parameters | {"rate": RATE},
            decoder=decoder_identity("libswresample"),
        )

    def prepare(self, content: str) -> Vectors | None:
        """Read and measure the sound of a file: float32 (segments, width); None where it has none.

        Raises:
            BadClipError: the sound cannot be read.
        """
        with closing(read_sound(Path(content), self._most_s)) as parts:
            measured = measure(parts, self._bands)
        return None if measured is None else statistics(measured, self._segments)

    def encode(self, prepared: Sequence[Vectors]) -> Vectors:
        """The numbers as they are: float32 (clips, segments, width)."""
        return np.stack(prepared) if prepared else np.empty((0, *self.identity.shape), dtype=np.float32)
