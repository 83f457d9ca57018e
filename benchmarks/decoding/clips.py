"""Clips to decode: moving textures under film grain, H.264 as x264 makes it, with key frames near or far apart."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import av
import numpy as np

PAN = 2
"""Pixels by which the background moves from frame to frame."""


@dataclass(frozen=True)
class Case:
    """Clips of one size and distance of key frames."""

    width: int
    height: int
    key_frames: int

    @property
    def name(self):
        return f"{self.width}×{self.height}, key frame every {self.key_frames}"


CASES = [Case(*size, apart) for size in ((320, 568), (720, 1280)) for apart in (12, 250)]
LENGTHS = [(8, 25), (12, 30), (10, 30), (15, 25)]
"""Seconds and frames a second of a case's clips."""


def make_clips(folder, case, b_frames):
    """Give a case's clips; those that are not there yet are made, one after the other on each core."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{case.width}x{case.height}-{case.key_frames}-{b_frames}"
    paths = [folder / f"{stem}-{number}.mp4" for number in range(len(LENGTHS))]
    missing = [(path, case, b_frames, number) for number, path in enumerate(paths) if not path.exists()]
    if missing:
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            list(pool.map(_make, *zip(*missing, strict=True)))
    return [str(path) for path in paths]


def _make(path: Path, case, b_frames, number):
    seconds, fps = LENGTHS[number]
    options = {"preset": "veryfast", "crf": "23", "g": str(case.key_frames), "bf": str(b_frames), "threads": "1"}
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = case.width, case.height, "yuv420p"
        for picture in pictures(case.width, case.height, seconds * fps, seed=number):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        container.mux(stream.encode(None))
    part.rename(path)


def pictures(width, height, count, seed):
    """Yield frames as planes, YUV 4:2:0: a texture that pans, one that wanders over it, and grain over both."""
    rng = np.random.default_rng(seed)
    far = texture(rng, height + count * PAN, width + count * PAN)
    near = texture(rng, height // 3, width // 3)
    grain = rng.normal(0, 4, (2 * height, 2 * width)).astype(np.float32)
    for number in range(count):
        picture = far[number * PAN // 2 :, number * PAN :][:height, :width].copy()
        top = int((height - len(near)) * (0.5 + 0.5 * np.sin(number / 13)))
        left = int((width - near.shape[1]) * (0.5 + 0.5 * np.cos(number / 17)))
        picture[top : top + len(near), left : left + near.shape[1]] = near
        down, across = rng.integers(0, height), rng.integers(0, width)
        picture += grain[down : down + height, across : across + width]
        colour = (picture[::2, ::2] - 128) / 4
        planes = [picture.ravel(), (128 + colour).ravel(), (128 - colour).ravel()]
        yield np.clip(np.concatenate(planes), 0, 255).astype(np.uint8).reshape(height * 3 // 2, width)


def texture(rng, height, width):
    """Give grey levels with detail at three scales; shape (height, width)."""
    levels = np.full((height, width), 128, np.float32)
    for cell, strength in ((64, 60), (16, 25), (4, 10)):
        coarse = rng.normal(0, strength, (height // cell + 1, width // cell + 1)).astype(np.float32)
        levels += np.kron(coarse, np.ones((cell, cell), np.float32))[:height, :width]
    return np.clip(levels, 0, 255)
