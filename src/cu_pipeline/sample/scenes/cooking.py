import math

import numpy as np
from PIL import Image

from cu_pipeline.sample.scenes.canvas import (
    MARGIN,
    Colour,
    H,
    Painter,
    Sketch,
    W,
    choose,
    gradient,
    over,
    put_centre,
    shade,
)

_COUNTERS: tuple[Colour, ...] = ((176, 128, 84), (120, 84, 58), (206, 202, 196), (70, 74, 80), (222, 214, 190))
_VESSELS: tuple[Colour, ...] = ((46, 46, 50), (70, 70, 74), (230, 228, 222), (150, 54, 40))


def cooking(rng: np.random.Generator) -> Painter:
    """Draw a pan or a plate seen from above, with food that is being stirred."""
    cx, cy, radius = W / 2 + rng.uniform(-14, 14), H * rng.uniform(0.46, 0.6), rng.uniform(72, 92)
    base = _table(rng, cx, cy, radius)
    food = [_FOODS[int(rng.integers(len(_FOODS)))](rng) for _ in range(int(rng.integers(8, 14)))]
    angles, distances = rng.uniform(0, 2 * math.pi, len(food)), radius * 0.62 * np.sqrt(rng.random(len(food)))
    speed, wobble = rng.uniform(0.4, 1.3), rng.uniform(2, 6)
    spatula = _spatula(rng)
    steam = Sketch(60, 60).ellipse(30, 30, 27, 24, (255, 255, 255, 26)).ellipse(30, 30, 16, 14, (255, 255, 255, 26))
    vapour = steam.done()

    def paint(_: float, seconds: float) -> Image.Image:
        picture = base.copy()
        for place, sprite in enumerate(food):
            turn = angles[place] + speed * seconds
            away = distances[place] + wobble * math.sin(3 * seconds + place)
            put_centre(picture, sprite, cx + away * math.cos(turn), cy + away * math.sin(turn))
        stir = 2.2 * speed * seconds
        put_centre(picture, spatula, cx + 34 + 24 * math.cos(stir), cy - 60 + 18 * math.sin(stir))
        for puff in range(4):
            rise = (seconds * 0.5 + puff / 4) % 1
            put_centre(picture, vapour, cx - 40 + 26 * puff + 8 * math.sin(5 * rise), cy + 20 - 150 * rise)
        return picture

    return paint


def _table(rng: np.random.Generator, cx: float, cy: float, radius: float) -> Image.Image:
    counter, vessel = choose(rng, _COUNTERS), choose(rng, _VESSELS)
    step, sketch = int(rng.integers(26, 60)), Sketch()
    for y in range(0, H, step):
        sketch.line([(0, y), (W, y)], (*shade(counter, 0.75), 160), 1.2)
    if rng.random() < 0.5:
        for x in range(0, W, step):
            sketch.line([(x, 0), (x, H)], (*shade(counter, 0.75), 160), 1.2)
    lean = rng.uniform(-0.5, 0.5)
    if rng.random() < 0.7:
        end = (cx + (radius + 110) * math.sin(lean), cy + (radius + 110) * math.cos(lean))
        sketch.line([(cx, cy), end], (28, 26, 26), 17).line([(cx, cy), end], (58, 54, 52), 8)
    else:
        sketch.box(MARGIN + 8, cy - 60, 5, 130, (200, 200, 206), 2).box(W - 24, cy - 60, 8, 130, (200, 200, 206), 3)
    sketch.ellipse(cx + 4, cy + 7, radius + 5, radius + 5, (0, 0, 0, 70))
    sketch.ellipse(cx, cy, radius, radius, vessel).ellipse(cx, cy, radius * 0.9, radius * 0.9, shade(vessel, 0.72))
    sketch.ellipse(cx, cy, radius * 0.84, radius * 0.84, shade(vessel, 1.12))
    sketch.ellipse(cx - radius * 0.25, cy - radius * 0.3, radius * 0.4, radius * 0.3, (255, 240, 200, 26))
    if rng.random() < 0.6:
        sketch.box(20, 18, 110, 64, (196, 146, 90), 8).box(26, 24, 98, 52, (212, 166, 108), 6)
        for slice_ in range(5):
            sketch.ellipse(42 + 16 * slice_, 48 + 6 * (slice_ % 2), 9, 9, (240, 130, 40))
        sketch.poly([(140, 30), (150, 26), (156, 92), (146, 94)], (214, 218, 224)).box(146, 92, 10, 34, (40, 34, 30), 3)
    return over(gradient(shade(counter, 1.06), shade(counter, 0.86)), sketch)


def _spatula(rng: np.random.Generator) -> Image.Image:
    wood = choose(rng, ((190, 140, 84), (60, 60, 64), (170, 40, 40)))
    sketch = Sketch(120, 150).line([(40, 112), (112, 6)], wood, 8)
    return sketch.ellipse(34, 120, 15, 20, wood).ellipse(34, 120, 10, 14, shade(wood, 1.15)).done()


def _egg(rng: np.random.Generator) -> Image.Image:
    size = rng.uniform(18, 24)
    sketch = Sketch(64, 64).ellipse(32, 32, size, size * 0.86, (250, 248, 240)).ellipse(26, 38, 15, 14, (250, 248, 240))
    return sketch.ellipse(33, 31, 9, 9, (250, 186, 30)).ellipse(30, 28, 3, 3, (255, 226, 130)).done()


def _tomato(rng: np.random.Generator) -> Image.Image:
    size = rng.uniform(11, 16)
    sketch = (
        Sketch(40, 40).ellipse(20, 20, size, size, (200, 40, 30)).ellipse(20, 20, size - 2.5, size - 2.5, (232, 84, 60))
    )
    for spoke in range(5):
        turn = spoke * 1.257
        sketch.ellipse(20 + 6 * math.cos(turn), 20 + 6 * math.sin(turn), 3, 3, (250, 190, 120))
    return sketch.done()


def _greens(rng: np.random.Generator) -> Image.Image:
    sketch = Sketch(44, 44).box(19, 22, 7, 16, (150, 190, 96), 3)
    for _ in range(9):
        x, y = rng.uniform(10, 34), rng.uniform(9, 24)
        sketch.ellipse(x, y, 6, 6, (40, int(rng.integers(110, 160)), 48))
    return sketch.done()


def _meat(rng: np.random.Generator) -> Image.Image:
    brown = choose(rng, ((132, 74, 42), (164, 96, 50), (190, 120, 90)))
    sketch = Sketch(50, 40).ellipse(25, 20, 20, 13, shade(brown, 0.7)).ellipse(25, 18, 19, 12, brown)
    for mark in range(4):
        sketch.line([(12 + 8 * mark, 10), (9 + 8 * mark, 27)], shade(brown, 0.55), 2)
    return sketch.done()


def _noodles(rng: np.random.Generator) -> Image.Image:
    sketch = Sketch(60, 60)
    for _ in range(9):
        start = rng.uniform(0, 6)
        points = [
            (30 + (12 + 8 * math.sin(k + start)) * math.cos(k * 0.7 + start), 30 + 18 * math.sin(k * 0.8 + start))
            for k in range(8)
        ]
        sketch.line(points, (236, int(rng.integers(196, 220)), 120), 3)
    return sketch.done()


_FOODS = (_egg, _tomato, _greens, _meat, _noodles)
