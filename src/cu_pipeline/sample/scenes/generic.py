import math
from typing import Final

import numpy as np
from PIL import Image

from cu_pipeline.sample.scenes.canvas import (
    H,
    Painter,
    Sketch,
    W,
    choose,
    colour,
    gradient,
    over,
    put_centre,
    shade,
)


def generic(rng: np.random.Generator) -> Painter:
    """Draw what fits any topic: a person who talks, city lights, a sunset, or waves of colour."""
    return _KINDS[int(rng.integers(len(_KINDS)))](rng)


def _talker(rng: np.random.Generator) -> Painter:
    wall, hue = colour(rng.random(), rng.uniform(0.1, 0.4), rng.uniform(0.4, 0.9)), rng.random()
    skin = choose(rng, ((236, 196, 160), (190, 136, 98), (120, 82, 58)))
    hair, shirt = choose(rng, ((40, 28, 22), (120, 80, 40), (220, 180, 100))), colour(hue, 0.6, 0.7)
    room = Sketch()
    for shelf in range(2):
        room.box(16, 60 + 70 * shelf, 90, 6, (110, 80, 56))
        for book in range(6):
            tall = rng.uniform(24, 44)
            room.box(20 + 13 * book, 60 + 70 * shelf - tall, 11, tall, colour(rng.random(), 0.5, 0.7))
    base = over(gradient(shade(wall, 1.1), shade(wall, 0.75)), room)
    faces = []
    for mouth in (3, 9):
        face = Sketch(200, 330).box(20, 170, 160, 170, shirt, 50).box(84, 140, 32, 50, shade(skin, 0.85))
        face.ellipse(100, 84, 62, 74, hair).ellipse(100, 98, 50, 60, skin)
        for side in (-1, 1):
            face.ellipse(100 + side * 20, 90, 8, 5, (250, 250, 250)).ellipse(100 + side * 20, 90, 4, 4, (50, 36, 26))
            face.line([(100 + side * 12, 78), (100 + side * 28, 77)], hair, 3)
        face.line([(100, 94), (96, 112), (102, 112)], shade(skin, 0.75), 2).ellipse(100, 130, 15, mouth, (160, 60, 60))
        faces.append(face.done())
    pace = rng.uniform(1, 2.5)

    def paint(_: float, seconds: float) -> Image.Image:
        picture = base.copy()
        talking = faces[int(seconds * 5) % 2]
        put_centre(picture, talking, W / 2 + 8 * math.sin(pace * seconds), H * 0.62 + 3 * math.sin(3 * seconds))
        return picture

    return paint


def _lights(rng: np.random.Generator) -> Painter:
    hue = rng.random()
    base = gradient(colour(hue, 0.7, 0.12), colour(hue + 0.1, 0.6, 0.3))
    spots, facts = [], []
    for _ in range(22):
        radius = rng.uniform(8, 26)
        tone = colour(hue + rng.uniform(-0.2, 0.2), rng.uniform(0.4, 0.9), 1)
        sketch = Sketch(60, 60).ellipse(30, 30, radius, radius, (*tone, 90)).ring(30, 30, radius, (*tone, 150), 1.5)
        spots.append(sketch.done())
        facts.append((rng.uniform(0, W), rng.uniform(0, H), rng.uniform(-18, 18)))

    def paint(_: float, seconds: float) -> Image.Image:
        picture = base.copy()
        for spot, (x, y, speed) in zip(spots, facts, strict=True):
            put_centre(picture, spot, (x + speed * seconds) % W, y + 4 * math.sin(seconds + x))
        return picture

    return paint


def _sunset(rng: np.random.Generator) -> Painter:
    hue, horizon = rng.uniform(0.95, 1.1), H * rng.uniform(0.5, 0.7)
    base = gradient(colour(hue - 0.3, 0.5, 0.5), colour(hue, 0.7, 0.98))
    sun = Sketch(90, 90).ellipse(45, 45, 42, 42, (255, 230, 160, 70)).ellipse(45, 45, 30, 30, (255, 240, 190)).done()
    hills = Sketch()
    for layer in range(3):
        top = horizon + 30 * layer
        crest = [(x, top + 16 * math.sin(x / 31 + 2.1 * layer + 9 * hue)) for x in range(0, W + 8, 8)]
        hills.poly([(0, H), *crest, (W, H)], colour(hue - 0.2, 0.5, 0.38 - 0.11 * layer))
    front, x = hills.done(), rng.uniform(50, W - 50)

    def paint(_: float, seconds: float) -> Image.Image:
        picture = base.copy()
        put_centre(picture, sun, x, horizon - 70 + 14 * seconds)
        put_centre(picture, front, W / 2, H / 2)
        return picture

    return paint


def _waves(rng: np.random.Generator) -> Painter:
    hue, spread = rng.random(), rng.uniform(0.05, 0.3)
    y, x = np.mgrid[0:H:4, 0:W:4].astype(np.float32)
    a, b = rng.uniform(0.01, 0.05, 2)
    low, high = (np.asarray(colour(hue + side * spread, 0.6, 0.5 + 0.45 * side), np.float32) for side in (0, 1))

    def paint(_: float, seconds: float) -> Image.Image:
        level = 0.5 + 0.5 * np.sin(a * x + b * y + 1.5 * seconds + 2 * np.sin(b * x - seconds))
        pixels = low + (high - low) * level[..., None]
        return Image.fromarray(pixels.astype(np.uint8)).resize((W, H), Image.Resampling.BILINEAR)

    return paint


_KINDS: Final = (_talker, _lights, _sunset, _waves)
