import io
from pathlib import Path
from typing import TYPE_CHECKING

from cu_pipeline.media.frames import decode_sample, upright
from cu_pipeline.media.rotation import quarter_turns

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
    from PIL import Image

    def shrink(frame: "VideoFrame") -> bytes:
        sides = (frame.width, frame.height) if quarter_turns(frame) % 2 else (frame.height, frame.width)
        width = max(round(height * sides[1] / sides[0]), 1)
        stream = io.BytesIO()
        Image.fromarray(upright(frame, width, height)).save(stream, "JPEG", quality=80)
        return stream.getvalue()

    return decode_sample(path, 1, shrink)[0]
