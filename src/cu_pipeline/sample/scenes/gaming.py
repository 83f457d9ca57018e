import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cu_pipeline.sample.scenes.canvas import H, Painter, W, colour

_CELL: Final = 4
_COLUMNS, _ROWS = W // _CELL, H // _CELL
_HERO: Final = ("..RRR.", ".RRRRR", ".SSKS.", ".SSSS.", "RBRRBR", "SBBBBS", ".BBBB.", ".N..N.")
_ALIEN: Final = ("..A..A..", "...AA...", "..AAAA..", ".AAKKAA.", "AAAAAAAA", "A.AAAA.A", "A.A..A.A")
_SHIP: Final = ("...W...", "..WWW..", "..WBW..", ".WWWWW.", "WWRWRWW", "W..O..W")
_INK: Final = {
    "R": (220, 50, 50), "S": (246, 200, 150), "K": (30, 24, 30), "B": (60, 90, 220), "N": (110, 66, 30),
    "W": (236, 236, 244), "O": (255, 170, 40), "H": (236, 60, 80), "Y": (252, 214, 60),
}  # fmt: skip
_HEART: Final = (".H.H.", "HHHHH", "HHHHH", ".HHH.", "..H..")
Pixels = NDArray[np.uint8]


def gaming(rng: np.random.Generator) -> Painter:
    """Draw a pixel-art game: a platformer, a space shooter or falling blocks."""
    draw = _GAMES[int(rng.integers(len(_GAMES)))](rng)
    hearts = int(rng.integers(1, 6))

    def paint(_: float, seconds: float) -> Image.Image:
        pixels = draw(seconds)
        for heart in range(hearts):
            _stamp(pixels, _HEART, 4 + heart * 6, 5)
        width = int(14 * ((seconds * 0.3) % 1)) + 2
        pixels[5:9, _COLUMNS - 20 : _COLUMNS - 4] = (40, 40, 60)
        pixels[6:8, _COLUMNS - 19 : _COLUMNS - 19 + width] = _INK["Y"]
        return Image.fromarray(pixels).resize((W, H), Image.Resampling.NEAREST)

    return paint


def _platformer(rng: np.random.Generator) -> Callable[[float], Pixels]:
    hue, speed = rng.random(), rng.uniform(8, 18)
    sky, ground, block = colour(hue, 0.5, 0.9), colour(hue + 0.4, 0.6, 0.5), colour(0.07, 0.75, 0.75)
    world = np.full((_ROWS, 240, 3), sky, np.uint8)
    for _ in range(16):
        x, y = int(rng.integers(230)), int(rng.integers(14, 44))
        world[y : y + 3, x : x + 9] = (250, 250, 255)
    for x in range(240):
        hill = 64 + int(7 * math.sin(x / 9) + 5 * math.sin(x / 4.3))
        world[hill:, x] = colour(hue + 0.33, 0.4, 0.62)
    world[80:] = ground
    world[80:83] = colour(0.33, 0.7, 0.7)
    world[84::5, ::7] = colour(hue + 0.4, 0.6, 0.35)
    for _ in range(18):
        x, y = int(rng.integers(226)), int(rng.integers(48, 70))
        world[y : y + 4, x : x + 12] = block
        world[y : y + 4, x : x + 12 : 4] = (90, 50, 20)
        world[y - 6 : y - 3, x + 5 : x + 7] = _INK["Y"]

    def draw(seconds: float) -> Pixels:
        pixels = np.roll(world, -int(speed * seconds), axis=1)[:, :_COLUMNS].copy()
        _stamp(pixels, _HERO, 20, 72 - int(18 * abs(math.sin(3 * seconds))), double=True)
        return pixels

    return draw


def _shooter(rng: np.random.Generator) -> Callable[[float], Pixels]:
    hue, stars = rng.random(), rng.random((70, 2))
    alien, night = colour(hue, 0.8, 0.95), colour(hue + 0.5, 0.6, 0.16)
    aliens = [(int(x), int(y)) for y in range(16, 56, 12) for x in range(4, 46, 11) if rng.random() < 0.8]

    def draw(seconds: float) -> Pixels:
        pixels = np.full((_ROWS, _COLUMNS, 3), night, np.uint8)
        rows = ((stars[:, 0] + seconds * 0.25) % 1 * _ROWS).astype(int)
        pixels[rows, (stars[:, 1] * _COLUMNS).astype(int)] = (230, 230, 250)
        shift = int(4 * math.sin(2 * seconds))
        for x, y in aliens:
            _stamp(pixels, _ALIEN, x + shift, y, tint=alien)
        ship = int(_COLUMNS / 2 - 7 + 16 * math.sin(1.7 * seconds))
        _stamp(pixels, _SHIP, ship, 82, double=True)
        for shot in range(4):
            y = 80 - int((seconds * 60 + shot * 20) % 78)
            pixels[y : y + 4, ship + 6 : ship + 8] = (120, 255, 160)
        return pixels

    return draw


def _blocks(rng: np.random.Generator) -> Callable[[float], Pixels]:
    hue, left, cell = rng.random(), 8, 6
    back = colour(hue, 0.5, 0.2)
    colours = [colour(hue + k / 5, 0.8, 0.95) for k in range(5)]
    heap = rng.integers(0, 5, (16, 7))
    keep = rng.random((16, 7)) < np.linspace(-0.5, 1.1, 16)[:, None]

    def square(pixels: Pixels, x: int, y: int, ink: tuple[int, int, int]) -> None:
        pixels[y : y + cell, x : x + cell] = ink
        pixels[y + cell - 1, x : x + cell] = (20, 20, 30)
        pixels[y : y + cell, x + cell - 1] = (20, 20, 30)
        pixels[y, x : x + cell - 1] = (250, 250, 250)

    def draw(seconds: float) -> Pixels:
        pixels = np.full((_ROWS, _COLUMNS, 3), back, np.uint8)
        pixels[:, left : left + 7 * cell] = (16, 16, 26)
        for row, column in np.argwhere(keep):
            square(pixels, left + int(column) * cell, int(row) * cell + 2, colours[int(heap[row, column])])
        fall = int(seconds * 22) % 66
        piece = int(seconds * 22) // 66
        for part in ((0, 0), (1, 0), (2, 0), (1, 1)):
            square(pixels, left + (2 + part[0]) * cell, fall + part[1] * cell + 14, colours[piece % 5])
        return pixels

    return draw


def _stamp(
    pixels: Pixels,
    rows: tuple[str, ...],
    x: int,
    y: int,
    *,
    double: bool = False,
    tint: tuple[int, int, int] | None = None,
) -> None:
    size = 2 if double else 1
    for down, row in enumerate(rows):
        for across, ink in enumerate(row):
            if ink != ".":
                top, left = y + down * size, x + across * size
                pixels[top : top + size, max(left, 0) : max(left + size, 0)] = _INK.get(ink, tint or (255, 255, 255))


_GAMES: Final = (_platformer, _shooter, _blocks)
