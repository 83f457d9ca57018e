from collections.abc import Callable
from typing import Any, Final

from pydantic import Field

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.options import Options
from cu_pipeline.features.captions import CaptionEncoder
from cu_pipeline.features.extractor import Extractor
from cu_pipeline.features.frames import FrameEncoder

EXTRACTORS: Final[dict[str, Callable[..., Extractor]]] = {
    "frames": FrameEncoder,
    "captions": CaptionEncoder,
}
"""Every extractor by name. A new one is a new file and a line here."""


class FrameOptions(Options):
    """Parameters of the frame encoder.

    Attributes:
        count: frames a clip.
        size: side in pixels of the picture that the encoder sees.
    """

    count: int = Field(8, ge=1, le=64)
    size: int = Field(224, ge=64, le=512)


class CaptionOptions(Options):
    """Parameters of the caption encoder.

    Attributes:
        max_tokens: a longer caption is cut.
    """

    max_tokens: int = Field(128, ge=8, le=512)


class FeatureOptions(Options):
    """Parameters of all extractors."""

    frames: FrameOptions = FrameOptions()
    captions: CaptionOptions = CaptionOptions()


def build(name: str, parameters: dict[str, Any]) -> Extractor:
    """Make the extractor `name`.

    Raises:
        ConfigurationError: there is no such extractor.
    """
    if name not in EXTRACTORS:
        raise ConfigurationError(f"extractor {name!r} is unknown; allowed: {', '.join(EXTRACTORS)}")
    return EXTRACTORS[name](**parameters)


def build_all(options: FeatureOptions) -> dict[str, Extractor]:
    """Make every extractor with its parameters."""
    return {name: build(name, parameters) for name, parameters in options.model_dump().items()}
