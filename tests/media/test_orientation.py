"""Clips of four coloured quarters (red, green / blue, white) in every orientation, wherever pictures are made."""

import io
import math
import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from cu_pipeline.features.clip_pictures import ClipPictures
from cu_pipeline.features.encoding import prepare_media
from cu_pipeline.features.frame_encoder import FrameEncoder
from cu_pipeline.media.decoding import decode_in_order, sample_frames, upright
from cu_pipeline.media.options import Limits
from cu_pipeline.media.perceptual import frame_hashes
from cu_pipeline.media.pictures import pictures, thumbnail
from cu_pipeline.media.probe import probe
from cu_pipeline.media.sampling import Sampling

WIDTH, HEIGHT = 96, 64
COLOURS = {"R": (220, 20, 20), "G": (20, 200, 20), "B": (20, 20, 220), "W": (240, 240, 240)}
SHOWN = {
    "plain": ((1, 0, 0, 1), "RGBW"),
    "hflip": ((-1, 0, 0, 1), "GRWB"),
    "vflip": ((1, 0, 0, -1), "BWRG"),
    "transpose": ((0, 1, 1, 0), "RBGW"),
    "antitranspose": ((0, -1, -1, 0), "WGBR"),
    "rot90": ((0, 1, -1, 0), "BRWG"),
    "rot180": ((-1, 0, 0, -1), "WBGR"),
    "rot270": ((0, -1, 1, 0), "GWRB"),
}
"""The matrix a, b, c, d, and what browsers show: top left, top right, bottom left, bottom right."""


def quarters(colours: str = "RGBW", width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    rows = [[COLOURS[one] for one in colours[:2]], [COLOURS[one] for one in colours[2:]]]
    return np.array(rows, np.uint8).repeat(height // 2, 0).repeat(width // 2, 1)


def read(image: np.ndarray) -> str:
    height, width = image.shape[:2]
    places = [(y * height // 8, x * width // 8) for y in (1, 7) for x in (1, 7)]
    names = {tuple(channel > 128 for channel in colour): name for name, colour in COLOURS.items()}
    return "".join(names[tuple(bool(channel > 128) for channel in image[place])] for place in places)


def read_jpeg(data: bytes) -> tuple[str, tuple[int, int]]:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    return read(np.asarray(image)), image.size


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """Write a clip; its track says how it is to be shown."""

    def write(matrix: tuple[float, float, float, float] = (1, 0, 0, 1), image: np.ndarray | None = None) -> Path:
        target = tmp_path / f"{len(list(tmp_path.iterdir()))}.mp4"
        image = quarters() if image is None else image
        with av.open(str(target), "w") as out:
            stream = out.add_stream("libx264", rate=10)
            stream.height, stream.width, stream.pix_fmt = *image.shape[:2], "yuv420p"
            for number in range(12):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts = number
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        data = bytearray(target.read_bytes())
        identity = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
        at = data.index(identity, data.index(b"tkhd"))
        a, b, c, d = (round(number * 65536) for number in matrix)
        data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
        target.write_bytes(data)
        return target

    return write


@pytest.mark.parametrize("name", SHOWN)
def test_all_pictures_of_a_clip_show_it_as_players_do(clip, name):
    matrix, expected = SHOWN[name]
    path = clip(matrix)
    sides = (WIDTH, HEIGHT) if matrix[0] else (HEIGHT, WIDTH)
    facts = probe(path, Limits())
    assert (facts.width, facts.height) == sides
    assert facts.mirrored == (name in {"hflip", "vflip", "transpose", "antitranspose"})
    assert {read(frame) for frame in sample_frames(path, 3, 64)} == {expected}
    assert {read(frame) for frame in prepare_media(str(path), {"frames": FrameEncoder(2, 64)})["frames"]} == {expected}
    assert read_jpeg(pictures(path, 1, 500)[0]) == (expected, sides)
    assert read_jpeg(thumbnail(path, sides[1])) == (expected, sides)
    in_order = decode_in_order(path, [Sampling(2, lambda frame: read(upright(frame, 64, 64)))])
    assert in_order == [[expected, expected]]


MOVED = {
    "plain": lambda image: image,
    "hflip": np.fliplr,
    "vflip": np.flipud,
    "transpose": lambda image: image.transpose(1, 0, 2),
    "antitranspose": lambda image: image[::-1, ::-1].transpose(1, 0, 2),
    "rot90": lambda image: np.rot90(image, -1),
    "rot180": lambda image: np.rot90(image, 2),
    "rot270": np.rot90,
}


@pytest.mark.parametrize("name", SHOWN)
def test_perceptual_hashes_are_those_of_what_is_shown(clip, name):
    coarse = np.random.default_rng(3).integers(0, 255, (4, 6, 3), np.uint8)
    image = np.asarray(Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    as_shown = np.ascontiguousarray(MOVED[name](image))
    one, other = frame_hashes(clip(SHOWN[name][0], image)), frame_hashes(clip(image=as_shown))
    assert np.bitwise_count(one ^ other)[..., 0].max() < 14  # of the 64 coarsest signs; another picture: about 32
    assert read(MOVED[name](quarters())) == SHOWN[name][1]


@pytest.mark.parametrize(("degrees", "expected"), [(30, "RGBW"), (60, "BRWG"), (100, "BRWG"), (-80, "GWRB")])
def test_angles_between_are_shown_as_the_nearest_quarter_turn(clip, degrees, expected):
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    assert read(sample_frames(clip((cosine, sine, -sine, cosine)), 1, 64)[0]) == expected


@pytest.mark.parametrize("matrix", [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 1)])
def test_a_matrix_that_would_show_nothing_is_not_heeded(clip, matrix):
    path = clip(matrix)
    assert read(sample_frames(path, 1, 64)[0]) == "RGBW"
    assert (probe(path, Limits()).width, probe(path, Limits()).height) == (WIDTH, HEIGHT)


def test_pictures_for_prompts_are_mirrored_too(clip):
    path = clip(SHOWN["hflip"][0])
    (one,) = ClipPictures(str(path), "0" * 64, 1, 96).load()
    assert read_jpeg(one)[0] == "GRWB"


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize(
    ("orientation", "expected"), list(enumerate(["RGBW", "GRWB", "WBGR", "BWRG", "RBGW", "BRWG", "WGBR", "GWRB"], 1))
)
def test_still_pictures_are_shown_as_their_exif_says(tmp_path, suffix, orientation, expected):
    path, exif = tmp_path / f"still.{suffix}", Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(quarters()).save(path, exif=exif)
    facts = probe(path, Limits())
    assert (facts.width, facts.height) == ((WIDTH, HEIGHT) if orientation < 5 else (HEIGHT, WIDTH))
    assert read(sample_frames(path, 1, 64)[0]) == expected
