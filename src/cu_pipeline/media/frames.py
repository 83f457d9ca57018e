from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.media.container import open_video, quarter_turns, read_index
from cu_pipeline.media.decoding import decode_in_order, decode_needed
from cu_pipeline.media.sampling import Sampling

if TYPE_CHECKING:
    from av import VideoFrame

T = TypeVar("T")


def sample_frames(path: Path, count: int, size: int) -> NDArray[np.uint8]:
    """Decode frames spread evenly over a clip: those shown at the centres of equal segments of time.

    Args:
        path: a local media file.
        count: how many frames; a clip of fewer frames repeats them.
        size: side of each frame, in pixels; libswscale scales (bilinear), the sides' ratio is not kept.

    Returns:
        RGB, uint8, shape (count, size, size, 3), in order of time and turned as shown.

    Raises:
        BadClipError: the file does not open, or a part that is needed does not decode.
    """

    def shrink(frame: "VideoFrame") -> NDArray[np.uint8]:
        return upright(frame, size, size)

    return np.stack(decode_sample(path, count, shrink))


def decode_sample(path: Path, count: int, convert: "Callable[[VideoFrame], T]") -> list[T]:
    """Decode the frames shown at the centres of `count` equal segments of a clip, and convert each.

    Raises:
        BadClipError: the file does not open, or a part that is needed does not decode.
    """
    return decode_samples(path, [Sampling(count, convert)])[0]


def decode_samples(path: Path, samplings: "Sequence[Sampling[T]]") -> list[list[T]]:
    """Decode a clip once for several samplings of its frames.

    Only what the chosen frames need is decoded. The result equals that of decoding everything in order, which is
    what happens where the packets do not tell enough.

    Returns:
        For each sampling its converted frames, in order of time.

    Raises:
        BadClipError: the file does not open, or a part that is needed does not decode.
    """
    with open_video(path) as (container, stream):
        frames = decode_needed(read_index(container, stream), stream, samplings)
    return frames if frames is not None else decode_in_order(path, samplings)


def upright(frame: "VideoFrame", width: int, height: int) -> NDArray[np.uint8]:
    """Scale a frame to RGB and turn it as it is to be shown.

    Returns:
        uint8, shape (height, width, 3).
    """
    turns = quarter_turns(frame)
    sides = (height, width) if turns % 2 else (width, height)
    small = frame.reformat(*sides, format="rgb24", interpolation="BILINEAR", threads=1)
    return np.rot90(small.to_ndarray(), turns)


def fitted(frame: "VideoFrame", side: int) -> NDArray[np.uint8]:
    """Give a frame as it is to be shown, its sides' ratio kept, the longer one at most `side` pixels.

    Returns:
        RGB, uint8, shape (height, width, 3).
    """
    width, height = shown_sides(frame)
    scale = min(side / max(width, height), 1.0)
    return upright(frame, max(round(width * scale), 1), max(round(height * scale), 1))


def shown_sides(frame: "VideoFrame") -> tuple[int, int]:
    """Give width and height of a frame as it is to be shown."""
    return (frame.height, frame.width) if quarter_turns(frame) % 2 else (frame.width, frame.height)


def decoder_identity() -> dict[str, str]:
    """Give the decoder and the versions of the libraries that its frames depend on."""
    import av

    used = ("libavcodec", "libavformat", "libswscale")
    libraries = {name: ".".join(map(str, av.library_versions[name])) for name in used}
    return {"name": "pyav", "version": av.__version__, **libraries}
