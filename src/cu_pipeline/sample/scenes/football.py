import math

import numpy as np
from PIL import Image

from cu_pipeline.sample.scenes.canvas import Colour, H, Painter, Sketch, W, choose, colour, put, put_centre, shade

_GRASS: tuple[Colour, ...] = ((58, 140, 58), (86, 156, 60), (44, 116, 66), (120, 150, 70))
_SKIN: tuple[Colour, ...] = ((236, 196, 160), (180, 126, 88), (112, 76, 54))


def football(rng: np.random.Generator) -> Painter:
    """Draw a pitch with stands, a goal, running players and a bouncing ball."""
    horizon = rng.uniform(90, 150)
    base = _pitch(rng, horizon)
    shirts = colour(rng.random(), 0.85, 0.85), colour(rng.random(), 0.2, 0.95)
    places = [(rng.uniform(20, W - 20), rng.uniform(horizon + 20, H - 90), rng.uniform(-40, 40)) for _ in range(6)]
    places.sort(key=lambda place: place[1])
    runners = [
        [_player(rng, shirts[n % 2], 0.45 + 0.7 * (y - horizon) / H, step) for step in (-1, 1)]
        for n, (_, y, _) in enumerate(places)
    ]
    size = rng.uniform(15, 26)
    balls = [_ball(size).rotate(30 * turn, Image.Resampling.BILINEAR) for turn in range(12)]
    start, goal, bounce = rng.uniform(20, W - 20), rng.uniform(20, W - 20), rng.uniform(1, 2.4)

    def paint(_: float, seconds: float) -> Image.Image:
        picture = base.copy()
        for (x, y, speed), steps in zip(places, runners, strict=True):
            put_centre(picture, steps[int(seconds * 6) % 2], (x + speed * seconds) % W, y)
        phase = (seconds * bounce / 2) % 1
        hop = abs(math.sin(math.pi * seconds * bounce)) * 70
        x, y = start + (goal - start) * phase, H - 60 - 90 * phase - hop
        put_centre(picture, balls[int(seconds * 10) % 12], x, y)
        return picture

    return paint


def _pitch(rng: np.random.Generator, horizon: float) -> Image.Image:
    grass, sky = choose(rng, _GRASS), colour(rng.uniform(0.52, 0.66), rng.uniform(0.1, 0.5), rng.uniform(0.3, 0.95))
    sketch = Sketch(fill=sky).box(0, horizon - 70, W, 72, (70, 70, 84))
    for _ in range(420):
        fan = colour(rng.random(), rng.uniform(0.2, 0.8), rng.uniform(0.4, 0.95))
        sketch.ellipse(rng.uniform(0, W), rng.uniform(horizon - 66, horizon - 6), 2.4, 2.8, fan)
    sketch.box(0, horizon - 8, W, 12, (240, 240, 240))
    for stripe in range(8):
        top, bottom = (horizon + (H - horizon) * (k / 8) ** 1.5 for k in (stripe, stripe + 1))
        sketch.box(0, top, W, bottom - top + 1, shade(grass, 1.1 if stripe % 2 else 0.92))
    white, cx = (244, 248, 244), W / 2 + rng.uniform(-30, 30)
    sketch.line(
        [(cx - 70, horizon + 4), (cx - 120, horizon + 70), (cx + 120, horizon + 70), (cx + 70, horizon + 4)], white, 2.6
    )
    sketch.ellipse(cx, H - 70, 104, 46, white).ellipse(cx, H - 70, 100, 43, shade(grass, 1.02)).ellipse(
        cx, H - 70, 3, 2, white
    )
    sketch.line([(0, H - 70), (W, H - 70)], white, 2.6)
    goal = Sketch(112, 62)
    for mesh in range(0, 110, 6):
        goal.line([(mesh, 4), (mesh, 60)], (255, 255, 255, 110), 0.7).line(
            [(3, mesh), (109, mesh)], (255, 255, 255, 110), 0.7
        )
    goal.line([(3, 62), (3, 3), (109, 3), (109, 62)], (255, 255, 255), 4)
    picture = sketch.picture()
    put(picture, goal.done(), cx - 56, horizon - 46)
    return picture


def _player(rng: np.random.Generator, shirt: Colour, scale: float, step: int) -> Image.Image:
    skin, s = choose(rng, _SKIN), scale
    sketch = Sketch(round(70 * s) + 2, round(120 * s) + 2).ellipse(35 * s, 114 * s, 24 * s, 5 * s, (0, 0, 0, 80))
    for side in (-1, 1):
        foot = (35 + side * step * 16) * s
        sketch.line([(35 * s, 70 * s), (foot, 112 * s)], skin, 8 * s).ellipse(foot, 112 * s, 7 * s, 4 * s, (20, 20, 20))
        sketch.line([(35 * s, 36 * s), ((35 - side * step * 20) * s, 62 * s)], skin, 6 * s)
    sketch.box(22 * s, 28 * s, 26 * s, 34 * s, shirt, 6 * s).box(22 * s, 58 * s, 26 * s, 20 * s, (240, 240, 240), 4 * s)
    return (
        sketch.ellipse(35 * s, 17 * s, 10 * s, 11 * s, skin).ellipse(35 * s, 11 * s, 10 * s, 7 * s, (40, 28, 20)).done()
    )


def _ball(radius: float) -> Image.Image:
    side = round(2 * radius) + 4
    middle = side / 2
    sketch = Sketch(side, side).ellipse(middle, middle, radius, radius, (30, 30, 30))
    sketch.ellipse(middle, middle, radius - 1, radius - 1, (248, 248, 248))

    def patch(x: float, y: float, size: float) -> None:
        corners = [(x + size * math.sin(k * 1.2566), y - size * math.cos(k * 1.2566)) for k in range(5)]
        sketch.poly(corners, (24, 24, 28))

    patch(middle, middle, radius * 0.36)
    for spoke in range(5):
        turn = spoke * 1.2566 + 0.628
        patch(middle + radius * 0.78 * math.sin(turn), middle - radius * 0.78 * math.cos(turn), radius * 0.22)
    return sketch.done()
