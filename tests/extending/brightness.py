from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from cu_pipeline.core.options import Options
from cu_pipeline.features.extractor import Identity, Source, Vectors
from cu_pipeline.media.sampling import Sampling


class BrightnessOptions(Options):
    """Parameters of the extractor: how many moments of a clip are looked at."""

    steps: int = Field(2, ge=1)


class Brightness:
    """How bright a clip is over its time, and how varied: mean and deviation of each sampled frame."""

    options: ClassVar[type[Options]] = BrightnessOptions
    source: ClassVar[Source] = "media"

    def __init__(self, steps: int = 2) -> None:
        self.parameters: dict[str, Any] = {"steps": steps}

    @cached_property
    def identity(self) -> Identity:
        """Name, shape and decoder decide the values."""
        from cu_pipeline.media.decoding import decoder_identity

        steps = self.parameters["steps"]
        return Identity("brightness", 1, (steps, 2), "", dict(self.parameters), decoder_identity())

    @property
    def sampling(self) -> Sampling[tuple[float, float]]:
        """Small pictures are enough."""
        return Sampling(self.parameters["steps"], _measure)

    def prepare(self, content: Sequence[tuple[float, float]]) -> Vectors:
        """One clip's numbers, (steps, 2)."""
        return np.array(content, dtype=np.float32)

    def encode(self, prepared: Sequence[Vectors]) -> Vectors:
        """The numbers as they are, (clips, steps, 2)."""
        return np.stack(prepared)


def _measure(frame: Any) -> tuple[float, float]:
    from cu_pipeline.media.decoding import upright

    picture = upright(frame, 16, 16) / 255
    return float(picture.mean()), float(picture.std())
