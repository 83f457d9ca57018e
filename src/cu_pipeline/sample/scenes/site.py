import math

import numpy as np
from PIL import Image, ImageDraw

from cu_pipeline.sample.scenes.canvas import Colour, H, Painter, Sketch, W, choose, colour, gradient, over, shade

_WALLS: tuple[Colour, ...] = ((176, 78, 56), (190, 180, 166), (206, 160, 100), (130, 140, 156))
Part = tuple[float, float, float, float, Colour, bool]
"""Left, top, width, height, colour, whether it has a window."""


def site(rng: np.random.Generator) -> Painter:
    """Draw a building site whose building grows with the progress, from an empty lot to the roof.

    Played backwards it is a demolition: nothing else in the picture tells one from the other.
    """
    ground = H * rng.uniform(0.78, 0.86)
    base = _lot(rng, ground)
    parts = _building(rng, ground)
    begin, end = rng.uniform(0, 0.12), rng.uniform(0.9, 1)
    drop = rng.uniform(20, 60)

    def paint(progress: float, seconds: float) -> Image.Image:
        picture = base.copy()
        draw = ImageDraw.Draw(picture)
        reached = (begin + (end - begin) * progress) * len(parts)
        for part in parts[: int(reached)]:
            _place(draw, part, 0)
        if int(reached) < len(parts):
            _place(draw, parts[int(reached)], drop * (1 - reached % 1))
        hook = W / 2 + 60 * math.sin(1.3 * seconds)
        draw.line([(hook, 46), (hook, 90)], fill=(40, 40, 44), width=1)
        draw.rectangle((hook - 5, 88, hook + 5, 96), fill=(230, 180, 30))
        return picture

    return paint


def _building(rng: np.random.Generator, ground: float) -> list[Part]:
    columns, rows = int(rng.integers(2, 5)), int(rng.integers(5, 10))
    width, tall = rng.uniform(120, 176), rng.uniform(180, 230)
    wall, windows = choose(rng, _WALLS), rng.random() < 0.7
    w, h, left = width / columns, tall / rows, (W - width) / 2 + rng.uniform(-12, 12)
    parts: list[Part] = []
    for row in range(rows):
        order = range(columns) if row % 2 == 0 else reversed(range(columns))
        for column in order:
            tone = shade(wall, float(rng.uniform(0.88, 1.08)))
            parts.append((left + column * w, ground - (row + 1) * h, w, h, tone, windows))
    return parts


def _place(draw: ImageDraw.ImageDraw, part: Part, lift: float) -> None:
    x, y, w, h, tone, window = part
    y -= lift
    draw.rectangle((x, y, x + w - 1, y + h - 1), fill=tone, outline=shade(tone, 0.6))
    if window:
        draw.rectangle(
            (x + w * 0.3, y + h * 0.25, x + w * 0.7, y + h * 0.75), fill=(150, 196, 226), outline=(60, 60, 70)
        )
    else:
        draw.line((x, y + h / 2, x + w, y + h / 2), fill=shade(tone, 0.7))


def _lot(rng: np.random.Generator, ground: float) -> Image.Image:
    sky = colour(rng.choice([0.55, 0.58, 0.07]), rng.uniform(0.15, 0.5), rng.uniform(0.75, 0.98))
    earth, mast = choose(rng, ((150, 118, 84), (128, 120, 110), (170, 140, 96))), float(rng.choice([22, W - 30]))
    sketch = Sketch()
    for _ in range(7):
        x, tall = rng.uniform(0, W), rng.uniform(30, 110)
        sketch.box(x - 20, ground - tall, 40, tall, (*shade(sky, 0.82), 255))
    sketch.box(0, ground, W, H - ground, earth)
    for _ in range(90):
        sketch.ellipse(rng.uniform(0, W), rng.uniform(ground, H), 3, 2, shade(earth, rng.uniform(0.7, 1.2)))
    yellow = (236, 184, 32)
    sketch.box(mast, 34, 8, ground - 34, yellow).box(0, 38, W, 8, yellow)
    for brace in range(0, W, 12):
        sketch.line([(brace, 38), (brace + 12, 46)], (120, 90, 20), 1.2)
    for brace in range(46, int(ground), 12):
        sketch.line([(mast, brace), (mast + 8, brace + 12)], (120, 90, 20), 1.2)
    for post in range(0, W, 16):
        sketch.poly([(post, H - 50), (post + 8, H - 50), (post + 16, H - 38), (post + 8, H - 38)], (230, 60, 40))
    sketch.box(0, H - 38, W, 3, (240, 240, 240)).box(0, H - 53, W, 3, (240, 240, 240))
    cone = rng.uniform(30, W - 60)
    sketch.poly([(cone, ground + 36), (cone + 20, ground + 36), (cone + 10, ground + 4)], (240, 110, 30))
    sketch.box(cone + 4, ground + 20, 12, 5, (250, 250, 250))
    return over(gradient(shade(sky, 0.9), shade(sky, 1.1)), sketch)
