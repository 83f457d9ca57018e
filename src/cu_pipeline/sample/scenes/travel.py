import math

import numpy as np
from PIL import Image

from cu_pipeline.sample.scenes.canvas import H, Painter, Sketch, W, colour, gradient, over, put_centre, shade


def travel(rng: np.random.Generator) -> Painter:
    """Draw a beach with palms, sea, sun and a sailing boat."""
    sky, sea = colour(rng.uniform(0.5, 0.58), 0.45, 0.98), colour(rng.uniform(0.47, 0.55), 0.75, 0.75)
    shore, horizon = H * rng.uniform(0.66, 0.76), H * rng.uniform(0.36, 0.46)
    sand = (238, 214, 160)
    sketch = Sketch().ellipse(rng.uniform(40, W - 40), 66, 26, 26, (255, 244, 190))
    sketch.box(0, horizon, W, H, sea)
    coast = [(x, shore + 9 * math.sin(x / 40)) for x in range(0, W + 8, 8)]
    sketch.poly([(0, H), *[(x, y - 5) for x, y in coast], (W, H)], (250, 252, 252))
    sketch.poly([(0, H), *coast, (W, H)], sand)
    parasol = rng.uniform(60, W - 60)
    sketch.line([(parasol, H - 110), (parasol + 8, H - 30)], (250, 250, 250), 4)
    for wedge in range(4):
        left = parasol - 40 + 20 * wedge
        sketch.poly(
            [(parasol, H - 136), (left, H - 100), (left + 20, H - 100)], ((230, 60, 60), (250, 250, 250))[wedge % 2]
        )
    trunk = float(rng.choice([18, W - 22]))
    lean = 40 if trunk < W / 2 else -40
    sketch.line([(trunk, H), (trunk + lean * 0.4, H * 0.5), (trunk + lean, H * 0.2)], (120, 84, 50), 10)
    for frond in range(7):
        turn = math.pi * (0.95 + frond * 0.18)
        tip = (trunk + lean + 70 * math.cos(turn), H * 0.2 + 46 * math.sin(turn) + 30)
        sketch.poly(
            [(trunk + lean, H * 0.2), tip, (tip[0] + 10, tip[1] + 14)], shade((50, 140, 60), rng.uniform(0.7, 1.1))
        )
    base = over(gradient(shade(sky, 0.9), shade(sky, 1.1)), sketch)
    boat = Sketch(70, 70).poly([(10, 54), (60, 54), (50, 66), (20, 66)], (250, 250, 250))
    boat.poly([(34, 6), (34, 50), (58, 50)], (250, 250, 250)).poly([(31, 14), (31, 50), (12, 50)], (230, 90, 60))
    sail, speed = boat.done(), rng.uniform(10, 30)

    def paint(_: float, seconds: float) -> Image.Image:
        picture = base.copy()
        put_centre(picture, sail, (40 + speed * seconds) % W, horizon + 6 + 3 * math.sin(2.5 * seconds))
        return picture

    return paint
