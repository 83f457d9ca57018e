"""Clips that only motion tells apart: things of random texture that move in ten ways, for half of them under a pan.

python benchmarks/motion_set.py FOLDER --clips 300 --seed 0

Each creator has textures, colours, a size of picture and a frame rate of their own, and films each way to move equally
often, so that neither creators nor single frames tell anything. Things that leave the picture enter it again on the
other side. Writes FOLDER/media/*.mp4 and FOLDER/manifest.csv with the columns that `kedro run` reads.
"""

import argparse
import csv
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

WAYS = ("left", "right", "up", "down", "clockwise", "counterclockwise", "grow", "shrink", "shake", "still")
PACES = ("slow", "fast", "accelerating")
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
SHAPES = ((256, 192), (192, 256), (240, 240), (288, 160))
RATES = (12, 15, 24, 25, 30)
SLOW, FAST = 0.12, 0.45
"""Of the picture's longer side a second; turns are 5 and growth is 2 times as many radians and e-folds."""
SECONDS = (2.0, 3.0)


def texture(rng, height, width, tones):
    """Detail at three scales that continues over its borders; uint8 (height, width, 3)."""
    levels = np.zeros((height, width, 3), np.float32)
    for cell, strength in ((32, 1.0), (12, 0.6), (5, 0.35)):
        coarse = rng.normal(0, strength, (height // cell, width // cell)).astype(np.float32)
        coarse = np.pad(coarse, 2, mode="wrap")
        fine = cv2.resize(coarse, None, fx=cell, fy=cell, interpolation=cv2.INTER_CUBIC)
        fine = cv2.resize(fine[2 * cell : -2 * cell, 2 * cell : -2 * cell], (width, height))
        levels += fine[..., None] * tones[1] + rng.normal(0, 4, 3).astype(np.float32)
    return np.clip(tones[0] + levels, 0, 255).astype(np.uint8)


class Creator:
    """Who films: what all clips of one have in common.

    Args:
        seed: of the set.
        number: of the creator.
    """

    def __init__(self, seed, number):
        rng = np.random.default_rng([seed, number])
        self.width, self.height = SHAPES[rng.integers(len(SHAPES))]
        self.rate = int(rng.choice(RATES))
        self.side = max(self.width, self.height)
        self.scene = texture(rng, 2 * self.height, 2 * self.width, _tones(rng))
        self.thing = texture(rng, 160, 160, _tones(rng))
        self.radius = rng.uniform(0.12, 0.18) * self.side
        self.grain = rng.normal(0, rng.uniform(0, 5), (2 * self.height, 2 * self.width, 1)).astype(np.float32)
        corners = rng.uniform(0.6, 1, 9)
        angles = np.linspace(0, 2 * np.pi, 9, endpoint=False)
        outline = 80 + 78 * np.stack([corners * np.cos(angles), corners * np.sin(angles)], axis=1)
        self.mask = np.zeros((160, 160), np.float32)
        cv2.fillPoly(self.mask, [outline.astype(np.int32)], 1.0, cv2.LINE_AA)


def _tones(rng):
    return rng.uniform(60, 195, 3).astype(np.float32), rng.uniform(15, 40, 3).astype(np.float32)


def progress(pace, time, seconds):
    """How far a motion has come, in units of the longer side."""
    if pace == "accelerating":
        return SLOW / 2 * time + (FAST - SLOW / 2) * time**2 / (2 * seconds)
    return (FAST if pace == "fast" else SLOW) * time


def pose(way, done, time, wobble):
    """Where a thing is seen from where it began: right and down in longer sides, radians clockwise, size."""
    if way in DIRECTIONS:
        return DIRECTIONS[way][0] * done, DIRECTIONS[way][1] * done, 0.0, 1.0
    if way in ("clockwise", "counterclockwise"):
        return 0.0, 0.0, 5 * done * (1 if way == "clockwise" else -1), 1.0
    if way in ("grow", "shrink"):
        span = np.log(2.0)
        return 0.0, 0.0, 0.0, np.exp((wobble[0] + 2 * done * (1 if way == "grow" else -1)) % span - span / 2)
    if way == "shake":
        reach = 0.02 + 0.03 * (done / max(time, 1e-6)) / FAST
        return *(reach * np.sin(wobble[:2] * 6 + (18 + 8 * wobble[2:4]) * time)), 0.0, 1.0
    return 0.0, 0.0, 0.0, 1.0


def pictures(creator, way, pace, pan, rng):
    """Yield the frames of a clip, uint8 RGB; `pan` is the camera's motion, in longer sides a second."""
    seconds = rng.uniform(*SECONDS)
    wobble = rng.uniform(0, 1, 4)
    begun = rng.uniform(0.25, 0.75, (int(rng.integers(1, 4)), 2))
    turned = rng.uniform(0, 2 * np.pi, len(begun))
    corner = rng.uniform(0, 1, 2) * (creator.width, creator.height)
    for number in range(round(seconds * creator.rate)):
        time = number / creator.rate
        right, down, angle, size = pose(way, progress(pace, time, seconds), time, wobble)
        moved = np.asarray(pan) * time * creator.side
        picture = _scene(creator, corner - moved)
        room = np.array([creator.width, creator.height]) + 1.2 * creator.radius
        for start, turn in zip(begun, turned, strict=True):
            place = (start * room + (right * creator.side, down * creator.side) + moved) % room - 0.6 * creator.radius
            _put(picture, creator, place, turn + angle, size * creator.radius / 80)
        down, right = rng.integers(0, (creator.height, creator.width))
        picture += creator.grain[down : down + creator.height, right : right + creator.width]
        yield np.clip(picture, 0, 255).astype(np.uint8)


def _scene(creator, corner):
    place = np.array([[1, 0, corner[0]], [0, 1, corner[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (creator.width, creator.height)
    return cv2.warpAffine(creator.scene, place, size, flags=flags, borderMode=cv2.BORDER_WRAP).astype(np.float32)


def _put(picture, creator, place, angle, scale):
    reach = int(80 * scale) + 2
    corner = np.round(place).astype(int) - reach
    left, top = np.maximum(corner, 0)
    window = picture[top : max(corner[1] + 2 * reach, 0), left : max(corner[0] + 2 * reach, 0)]
    if not window.size:
        return
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[cosine, -sine, 0], [sine, cosine, 0]])
    matrix[:, 2] = place - (left, top) - matrix[:, :2] @ (80, 80)
    size = window.shape[1::-1]
    shown = cv2.warpAffine(creator.mask, matrix, size)[..., None]
    window *= 1 - shown
    window += shown * cv2.warpAffine(creator.thing, matrix, size, borderMode=cv2.BORDER_REPLICATE)


def write(path, frames, rate):
    """Encode RGB frames as H.264 in MP4."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate), options={"preset": "veryfast", "threads": "1"})
        for number, picture in enumerate(frames):
            if not number:
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))


def make(folder, clips, seed):
    """Write a set; give the path of its manifest."""
    cv2.setNumThreads(1)
    (folder / "media").mkdir(parents=True, exist_ok=True)
    rows, creators = [], {}
    for number in range(clips):
        owner, way = number // len(WAYS), WAYS[number % len(WAYS)]
        if owner not in creators:
            creators = {owner: Creator(seed, owner)}
        rng = np.random.default_rng([seed, owner, number, 1])
        pace, panned = PACES[rng.integers(len(PACES))], rng.random() < 0.5
        angle, speed = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.4) * panned
        pan = (speed * np.cos(angle), speed * np.sin(angle))
        name = f"media/{number:04d}.mp4"
        write(folder / name, pictures(creators[owner], way, pace, pan, rng), creators[owner].rate)
        rows.append({"path": name, "label": way, "creator": f"c{owner:03d}", "pace": pace, "pan": f"{speed:.2f}"})
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return manifest


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(make(arguments.folder, arguments.clips, arguments.seed))


if __name__ == "__main__":
    main()
