from pathlib import Path
from typing import TYPE_CHECKING

from cu_pipeline.media.frames import decode_sample, shown_sides, upright
from cu_pipeline.media.pictures import jpeg

if TYPE_CHECKING:
    from av import VideoFrame


def thumbnail(path: Path, height: int) -> bytes:
    """Give a small picture of a clip's middle.

    Args:
        path: a local media file.
        height: in pixels; the width follows from the sides' ratio.

    Returns:
        A JPEG file.

    Raises:
        BadClipError: the file does not open or does not decode.
    """

    def shrink(frame: "VideoFrame") -> bytes:
        wide, high = shown_sides(frame)
        return jpeg(upright(frame, max(round(height * wide / high), 1), height))

    return decode_sample(path, 1, shrink)[0]
