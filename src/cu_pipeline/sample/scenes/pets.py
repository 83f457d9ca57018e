import math

import numpy as np
from PIL import Image

from cu_pipeline.sample.scenes.canvas import (
    Colour,
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

_CATS: tuple[Colour, ...] = ((214, 138, 60), (120, 116, 112), (60, 56, 56), (232, 220, 200))
_DOGS: tuple[Colour, ...] = ((190, 130, 70), (226, 190, 130), (96, 66, 46), (236, 232, 224))


def pets(rng: np.random.Generator) -> Painter:
    """Draw a cat or a dog in a living room, or fish in a tank."""
    kind = rng.random()
    if kind < 0.2:
        return _aquarium(rng)
    head, blink = (_cat if kind < 0.6 else _dog)(rng)
    base = _room(rng)
    x, y = W / 2 + rng.uniform(-18, 18), H * rng.uniform(0.42, 0.55)
    fur = head.getpixel((80, 36))
    body = Sketch().ellipse(x, y + 150, 78, 110, fur[:3] if isinstance(fur, tuple) else (128, 128, 128))
    body.ellipse(x, y + 165, 44, 80, (245, 240, 232, 110))
    base = over(base, body)
    pace, sway = rng.uniform(1.5, 4), rng.uniform(4, 14)

    def paint(_: float, seconds: float) -> Image.Image:
        picture = base.copy()
        sprite = blink if (seconds * 0.8) % 1 > 0.88 else head
        tilted = sprite.rotate(8 * math.sin(pace * seconds), Image.Resampling.BILINEAR)
        put_centre(picture, tilted, x + sway * math.sin(pace * seconds), y + 4 * math.sin(2 * pace * seconds))
        return picture

    return paint


def _cat(rng: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    fur, eye = choose(rng, _CATS), choose(rng, ((120, 190, 70), (230, 190, 50), (90, 170, 210)))

    def head(open_eyes: bool) -> Image.Image:
        sketch = Sketch(160, 160)
        for side in (-1, 1):
            sketch.poly([(80 + side * 60, 8), (80 + side * 18, 40), (80 + side * 62, 74)], fur)
            sketch.poly([(80 + side * 54, 24), (80 + side * 28, 44), (80 + side * 54, 64)], (226, 150, 150))
        sketch.ellipse(80, 86, 64, 56, fur)
        for stripe in (-1, 0, 1):
            sketch.line([(80 + 14 * stripe, 34), (80 + 10 * stripe, 54)], shade(fur, 0.6), 5)
        sketch.ellipse(80, 112, 30, 22, shade(fur, 1.35))
        _eyes(sketch, eye, open_eyes, slit=True)
        sketch.poly([(72, 98), (88, 98), (80, 108)], (220, 120, 120))
        sketch.line([(80, 108), (80, 114), (70, 120)], (60, 40, 40), 2).line([(80, 114), (90, 120)], (60, 40, 40), 2)
        for side in (-1, 1):
            for rise in (-6, 2, 10):
                sketch.line(
                    [(80 + side * 22, 108 + rise / 2), (80 + side * 72, 102 + rise * 2)], (250, 250, 250, 200), 1.2
                )
        return sketch.done()

    return head(True), head(False)


def _dog(rng: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    fur = choose(rng, _DOGS)
    ear, tongue = shade(fur, 0.62), rng.random() < 0.7

    def head(open_eyes: bool) -> Image.Image:
        sketch = Sketch(160, 160).ellipse(80, 76, 56, 58, fur)
        for side in (-1, 1):
            sketch.ellipse(80 + side * 56, 78, 19, 44, ear)
        sketch.ellipse(80, 108, 36, 32, shade(fur, 1.25))
        _eyes(sketch, (70, 44, 26), open_eyes, slit=False)
        if tongue:
            sketch.box(70, 120, 20, 32, (232, 110, 120), 9)
        sketch.ellipse(80, 94, 15, 11, (34, 28, 28)).ellipse(76, 90, 4, 3, (120, 110, 110))
        sketch.line([(80, 104), (80, 118), (60, 124)], (50, 36, 30), 2.4).line(
            [(80, 118), (100, 124)], (50, 36, 30), 2.4
        )
        return sketch.done()

    return head(True), head(False)


def _eyes(sketch: Sketch, iris: Colour, open_eyes: bool, *, slit: bool) -> None:
    for side in (-1, 1):
        x = 80 + side * 26
        if not open_eyes:
            sketch.line([(x - 12, 76), (x, 80), (x + 12, 76)], (40, 30, 30), 3)
            continue
        sketch.ellipse(x, 76, 14, 13, (250, 250, 246)).ellipse(x, 76, 12, 12, iris)
        sketch.ellipse(x, 76, 4 if slit else 7, 10 if slit else 7, (16, 14, 14)).ellipse(
            x + 4, 71, 3, 3, (255, 255, 255)
        )


def _room(rng: np.random.Generator) -> Image.Image:
    wall = colour(rng.random(), rng.uniform(0.08, 0.35), rng.uniform(0.6, 0.92))
    floor = choose(rng, ((150, 106, 70), (190, 160, 124), (110, 100, 96)))
    sketch = Sketch().box(0, H * 0.66, W, H, floor)
    for plank in range(5):
        sketch.line([(0, H * (0.68 + 0.07 * plank)), (W, H * (0.68 + 0.07 * plank))], shade(floor, 0.8), 1.5)
    if rng.random() < 0.6:
        sketch.box(24, 30, 80, 110, (250, 250, 250)).box(30, 36, 68, 98, (170, 210, 240)).box(
            61, 36, 5, 98, (250, 250, 250)
        )
    sofa = colour(rng.random(), 0.45, 0.55)
    sketch.box(-10, H * 0.5, W + 20, 90, sofa, 20).box(-10, H * 0.58, W + 20, 80, shade(sofa, 0.8), 16)
    rug = colour(rng.random(), 0.5, 0.7)
    sketch.ellipse(W / 2, H * 0.93, 120, 34, rug).ellipse(W / 2, H * 0.93, 96, 24, shade(rug, 1.2))
    return over(gradient(shade(wall, 1.08), shade(wall, 0.9)), sketch)


def _aquarium(rng: np.random.Generator) -> Painter:
    water = colour(rng.uniform(0.5, 0.62), 0.75, 0.75)
    sketch = Sketch().box(0, H - 70, W, 80, (206, 180, 120))
    for _ in range(60):
        sketch.ellipse(rng.uniform(0, W), rng.uniform(H - 66, H), 4, 3, shade((206, 180, 120), rng.uniform(0.7, 1.15)))
    for _ in range(6):
        x, tall = rng.uniform(10, W - 10), rng.uniform(60, 170)
        weed = [(x + 9 * math.sin(k), H - 50 - tall * k / 8) for k in range(9)]
        sketch.line(weed, (30, int(rng.integers(110, 170)), 70), 8)
    base = over(gradient(shade(water, 1.25), shade(water, 0.55)), sketch)
    fish = [_fish(rng) for _ in range(7)]
    facts = [(rng.uniform(0, 1), rng.uniform(50, H - 110), rng.uniform(0.1, 0.3)) for _ in fish]

    def paint(_: float, seconds: float) -> Image.Image:
        picture = base.copy()
        for sprite, (start, depth, speed) in zip(fish, facts, strict=True):
            x = ((start + speed * seconds) % 1) * (W + 100) - 50
            put_centre(picture, sprite, x, depth + 8 * math.sin(4 * seconds + 9 * start))
        return picture

    return paint


def _fish(rng: np.random.Generator) -> Image.Image:
    skin = choose(rng, ((250, 130, 30), (250, 210, 50), (220, 60, 60), (90, 120, 230)))
    size = rng.uniform(0.8, 1.4)
    sketch = Sketch(100, 70).poly([(4, 12), (34, 35), (4, 58)], shade(skin, 0.8))
    sketch.ellipse(56, 35, 36 * min(size, 1.1), 18 * size, skin).box(48, 18, 8, 34, (250, 250, 250), 4)
    sketch.poly([(46, 20), (66, 20), (50, 6)], shade(skin, 0.8)).ellipse(78, 31, 5, 5, (250, 250, 250))
    return sketch.ellipse(79, 31, 2.6, 2.6, (20, 20, 20)).done()
