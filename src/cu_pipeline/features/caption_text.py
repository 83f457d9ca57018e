"""The caption itself as a feature, for models that read words and characters."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from cu_pipeline.core.options import Options
from cu_pipeline.features.extractor import Identity, Source, Texts


class CaptionTextOptions(Options):
    """Parameters of the caption as text: there are none."""


class CaptionText:
    """Captions as they are in the table of clips."""

    options: ClassVar[type[Options]] = CaptionTextOptions
    source: ClassVar[Source] = "text"
    sampling: None = None

    @cached_property
    def identity(self) -> Identity:
        """There is nothing that could change it."""
        return Identity(name="caption_text", version=1, shape=(), weights_sha256="")

    @property
    def parameters(self) -> dict[str, Any]:
        """None."""
        return {}

    def prepare(self, content: str) -> str:
        """The caption."""
        return content

    def encode(self, prepared: Sequence[str]) -> Texts:
        """The captions: (n,)."""
        return np.array(prepared, dtype=object)
