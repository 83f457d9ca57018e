from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.sample.film import SAMPLE_RATE, Frames
from cu_pipeline.sample.shot import FPS

_FAST: Final = {"preset": "ultrafast", "threads": "1", "g": "48"}


def write_mp4(path: Path, frames: Frames, sound: NDArray[np.int16], crf: int) -> None:
    """Encode H.264 with AAC sound; equal input gives equal bytes.

    Args:
        path: the file.
        frames: of one even size; none for a file with sound alone.
        sound: one channel at `SAMPLE_RATE`.
        crf: x264's constant rate factor.
    """
    import av

    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=FPS, options={**_FAST, "crf": str(crf)}) if frames else None
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono", options={"aac_coder": "fast"})
        audio.bit_rate = 32_000
        if video is not None:
            video.height, video.width = frames[0].shape[:2]
            video.pix_fmt = "yuv420p"
            for pixels in frames:
                container.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(video.encode())
        _mux_sound(container, audio, sound)


def read_frames(path: Path) -> Frames:
    """Decode every frame of a file that `write_mp4` made, RGB."""
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def _mux_sound(container: Any, stream: Any, sound: NDArray[np.int16]) -> None:
    import av

    frame = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    frame.pts = 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode())
