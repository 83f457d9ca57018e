"""Whether frames are those of decoding a clip in order."""

import tempfile
from pathlib import Path

import av
import numpy as np

from cu_pipeline.media.decoding import decode_in_order, upright
from cu_pipeline.media.sampling import Sampling
from decoding.contenders import SIDE, centres


class Reference:
    """The frames of decoding clips in order: the wanted ones, and those before and after them."""

    def __init__(self, clips):
        self._around = [_around(clip) for clip in clips]

    def compare(self, runner, clips, setting):
        with tempfile.TemporaryDirectory() as folder:
            place = f"{folder}/frames.npy"
            runner.decode(clips, setting, save=place)
            found = np.load(place)
        pairs = [
            (frame, around)
            for frames, places in zip(found, self._around, strict=True)
            for frame, around in zip(frames, places, strict=True)
        ]
        return {
            "frames": len(pairs),
            "equal": sum(np.array_equal(frame, around[1]) for frame, around in pairs),
            "right": sum(
                int(np.abs(around.astype(int) - frame).mean((1, 2, 3)).argmin()) == 1 for frame, around in pairs
            ),
        }


def _around(clip):
    """Give the frames before, at and after each wanted place; shape (COUNT, 3, SIDE, SIDE, 3)."""
    every = decode_in_order(Path(clip), [Sampling(_length(clip), lambda frame: upright(frame, SIDE, SIDE))])[0]
    return [np.stack(every[place - 1 : place + 2]) for place in centres(len(every))]


def _length(clip):
    with av.open(clip) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)
