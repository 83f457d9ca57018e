"""What moves in a clip, where and how fast, as a feature."""

from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from cu_pipeline.core.options import Options
from cu_pipeline.features.extractor import Identity, Source, Vectors
from cu_pipeline.features.motion_statistics import WIDTH, movement, statistics
from cu_pipeline.features.optical_flow import LEAST_SIDE, Picture, alike
from cu_pipeline.media.sampling import Sampling

if TYPE_CHECKING:
    from av import VideoFrame


class MotionOptions(Options):
    """Parameters of the measures of motion.

    Attributes:
        pairs: of frames a clip.
        size: pixels of the longer side of the pictures in which motion is looked for.
        gap_s: seconds between the frames of a pair, at least.
    """

    pairs: int = Field(8, ge=1, le=64)
    size: int = Field(160, ge=64, le=512)
    gap_s: float = Field(0.06, gt=0, le=2)


class Glimpse(NamedTuple):
    """A frame as motion is looked for in it.

    Attributes:
        picture: grey, its longer side of the size that is asked for.
        time: when it is shown, in seconds; None where the file does not tell.
    """

    picture: Picture
    time: float | None


class Motion:
    """Statistics of the dense optical flow between neighbouring frames, without the camera's motion.

    Pairs of frames are spread evenly over the clip's time. Lengths are in longer sides of the picture, so that speeds
    do not depend on its size, nor on the frame rate.

    Args:
        pairs: of frames a clip.
        size: pixels of the longer side of the pictures in which motion is looked for.
        gap_s: seconds between the frames of a pair, at least.
    """

    options: ClassVar[type[Options]] = MotionOptions
    source: ClassVar[Source] = "media"

    def __init__(self, pairs: int = 8, size: int = 160, gap_s: float = 0.06) -> None:
        self._pairs = pairs
        self._size = size
        self._gap_s = gap_s

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments it was made with."""
        return {"pairs": self._pairs, "size": self._size, "gap_s": self._gap_s}

    @cached_property
    def identity(self) -> Identity:
        """What decides the values, the video decoder and OpenCV with their versions among it."""
        from cu_pipeline.media.decoding import decoder_identity

        return Identity(
            name="motion",
            version=1,
            shape=(self._pairs, WIDTH),
            weights_sha256="",
            parameters={"flow": f"dis opencv@{version('opencv-python-headless')}"} | self.parameters,
            decoder=decoder_identity(),
        )

    @property
    def sampling(self) -> Sampling[Glimpse]:
        """Small grey pictures of pairs of neighbouring frames."""
        return Sampling(self._pairs, self._look, self._gap_s)

    def _look(self, frame: "VideoFrame") -> Glimpse:
        from cu_pipeline.media.decoding import shown_sides, upright

        sides = shown_sides(frame)
        width, height = (max(round(side * self._size / max(sides)), LEAST_SIDE) for side in sides)
        return Glimpse(np.ascontiguousarray(upright(frame, width, height, "gray")), frame.time)

    def prepare(self, content: Sequence[Glimpse]) -> Vectors:
        """Measure what moves between the frames of each pair: float32 (pairs, width)."""
        pictures = alike([one.picture for one in content])
        pairs = list(zip(pictures[::2], pictures[1::2], strict=True))
        passed = [self._seconds(*times) for times in zip(content[::2], content[1::2], strict=True)]
        return statistics(movement(pairs, np.array(passed, dtype=np.float32)))

    def _seconds(self, earlier: Glimpse, later: Glimpse) -> float:
        """Between two frames; as long as is asked for, where the file does not tell."""
        if earlier.time is None or later.time is None or later.time <= earlier.time:
            return self._gap_s
        return later.time - earlier.time

    def encode(self, prepared: Sequence[Vectors]) -> Vectors:
        """The numbers as they are: float32 (clips, pairs, width)."""
        return np.stack(prepared) if prepared else np.empty((0, *self.identity.shape), dtype=np.float32)
