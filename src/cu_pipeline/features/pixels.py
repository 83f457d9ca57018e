"""Frames of clips as pictures, for models that learn from the pixels themselves."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cu_pipeline.core.options import Options
from cu_pipeline.features.extractor import Identity, Source
from cu_pipeline.features.pictures import Jpegs, Pictures
from cu_pipeline.media.sampling import Sampling

if TYPE_CHECKING:
    from av import VideoFrame

_LONGEST: Final = 3
"""Longer sides a shorter side, at most: panoramas and scrolling strips would fill the store."""


class PixelOptions(Options):
    """Parameters of the pictures that are kept.

    Attributes:
        count: frames of a clip. Models read fewer; training takes others of them each time.
        size: pixels of the shorter side.
        quality: of the JPEG files, as Pillow counts it.
    """

    count: int = Field(32, ge=1, le=256)
    size: int = Field(256, ge=16, le=1080)
    quality: int = Field(90, ge=30, le=95)


class PixelKeeper:
    """Keeps frames of a clip as JPEG files, so that they are decoded from the video once for all epochs and runs.

    Args:
        count: frames of a clip, spread evenly over its time.
        size: of the shorter side in pixels; smaller frames are not enlarged. The sides' ratio is kept, and where the
            longer one would be more than three times as long, both are shorter.
        quality: of the JPEG files.
    """

    options: ClassVar[type[Options]] = PixelOptions
    source: ClassVar[Source] = "media"
    modality: ClassVar[str] = "frames"

    def __init__(self, count: int = 32, size: int = 256, quality: int = 90) -> None:
        self._count = count
        self._size = size
        self._quality = quality

    @cached_property
    def identity(self) -> Identity:
        """What decides the pictures, the video decoder, the JPEG encoder and their versions among it."""
        from cu_pipeline.media.decoding import decoder_identity
        from cu_pipeline.media.pictures import encoder_identity

        return Identity(
            name="pixels",
            version=1,
            shape=(self._count, self._size, self._size, 3),
            weights_sha256="",
            parameters=self.parameters | {"encoder": encoder_identity()},
            decoder=decoder_identity(),
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments it was made with."""
        return {"count": self._count, "size": self._size, "quality": self._quality}

    @property
    def sampling(self) -> Sampling[NDArray[np.uint8]]:
        """Frames spread evenly over the clip's time."""
        return Sampling(self._count, self._shrink)

    def _shrink(self, frame: "VideoFrame") -> NDArray[np.uint8]:
        from cu_pipeline.media.decoding import shown_sides, upright

        return upright(frame, *fitting_sides(*shown_sides(frame), self._size))

    def prepare(self, content: Sequence[NDArray[np.uint8]]) -> Jpegs:
        """Write one clip's frames as JPEG files, in a worker process; all get the sides of the first."""
        from cu_pipeline.media.pictures import jpeg

        height, width = content[0].shape[:2]
        distinct = {id(image): image for image in content}
        written = {name: jpeg(_resized(image, width, height), self._quality) for name, image in distinct.items()}
        return tuple(written[id(image)] for image in content)

    def encode(self, prepared: Sequence[Jpegs]) -> Pictures:
        """The pictures as they are."""
        return Pictures(prepared, self.identity.shape)


def fitting_sides(width: int, height: int, size: int) -> tuple[int, int]:
    """Sides of a picture whose shorter one is `size` at most, and the longer one three times that.

    >>> fitting_sides(1920, 1080, 256), fitting_sides(720, 1280, 256), fitting_sides(64, 48, 256)
    ((455, 256), (256, 455), (64, 48))
    >>> fitting_sides(4000, 400, 256)
    (768, 77)
    """
    scale = min(size / min(width, height), _LONGEST * size / max(width, height), 1.0)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _resized(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """A picture with the sides given; a clip whose resolution changes has frames of several."""
    if image.shape[:2] == (height, width):
        return image
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((width, height)))
