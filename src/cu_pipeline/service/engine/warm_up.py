"""What a process of the service does before its first answer."""

import tempfile
from pathlib import Path
from typing import Final

from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.inference.predictor import Predictor

SIDE: Final = 64
FRAMES: Final = 8
TRIES: Final = 5
"""Of the clip that warms: on a busy machine a decoder that loads its libraries may take longer than a clip may."""


def warm_up(predictor: Predictor, times: int = 1) -> None:
    """Predict a small grey clip, so that no user's request waits for a model to load or a decoder to start.

    Args:
        predictor: to warm; its challengers too.
        times: how often; its decoding processes take turns.

    Raises:
        BadClipError: this installation cannot decode even that; the service must not become ready.
    """
    with tempfile.TemporaryDirectory() as scratch:
        clip = write_grey_clip(Path(scratch) / "warm_up.mp4")
        for _ in range(max(times, 1)):
            _predict(predictor, clip)


def _predict(predictor: Predictor, clip: Path) -> None:
    for attempt in range(1, TRIES + 1):
        try:
            predictor.predict(clip, "warm up")
        except BadClipError as error:
            if error.reason is not Reason.TIMEOUT or attempt == TRIES:
                raise
        else:
            return


def write_grey_clip(target: Path) -> Path:
    """Write a clip of a second that every installation can read."""
    import av
    import numpy as np

    picture = np.full((SIDE, SIDE, 3), 128, dtype=np.uint8)
    with av.open(str(target), "w") as container:
        stream = container.add_stream("mpeg4", rate=FRAMES)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for _ in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))
    return target
