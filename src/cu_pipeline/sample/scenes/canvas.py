import colorsys
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from cu_pipeline.sample.shot import HEIGHT, WIDTH

MARGIN: Final = 8
"""Pixels around the frame that camera shake can show."""

W: Final = WIDTH + 2 * MARGIN
H: Final = HEIGHT + 2 * MARGIN

Colour = tuple[int, int, int]
Painter = Callable[[float, float], Image.Image]
"""Gives the picture, `W` by `H`, RGB, at a progress from 0 to 1 and a time in seconds."""

_FINE: Final = 2


class Sketch:
    """A drawing surface with smooth edges: drawn twice as large, then reduced. Units are pixels.

    Args:
        width: of the result.
        height: of the result.
        fill: background; without one it is transparent.
    """

    def __init__(self, width: int = W, height: int = H, fill: Colour | None = None) -> None:
        size = (width * _FINE, height * _FINE)
        self._image = Image.new("RGBA", size, (*fill, 255) if fill else (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self._image, "RGBA")

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Sequence[int]) -> "Sketch":
        """Draw an ellipse around (x, y)."""
        self._draw.ellipse(_large(x - rx, y - ry, x + rx, y + ry), fill=tuple(fill))
        return self

    def ring(self, x: float, y: float, radius: float, fill: Sequence[int], width: float) -> "Sketch":
        """Draw a circle's outline."""
        box = _large(x - radius, y - radius, x + radius, y + radius)
        self._draw.ellipse(box, outline=tuple(fill), width=round(width * _FINE))
        return self

    def box(self, x: float, y: float, w: float, h: float, fill: Sequence[int], radius: float = 0) -> "Sketch":
        """Draw a rectangle from its upper left corner."""
        self._draw.rounded_rectangle(_large(x, y, x + w, y + h), radius * _FINE, fill=tuple(fill))
        return self

    def poly(self, points: Sequence[tuple[float, float]], fill: Sequence[int]) -> "Sketch":
        """Draw a filled polygon."""
        self._draw.polygon([(x * _FINE, y * _FINE) for x, y in points], fill=tuple(fill))
        return self

    def line(self, points: Sequence[tuple[float, float]], fill: Sequence[int], width: float) -> "Sketch":
        """Draw a line through points."""
        large = [(x * _FINE, y * _FINE) for x, y in points]
        self._draw.line(large, fill=tuple(fill), width=max(1, round(width * _FINE)), joint="curve")
        return self

    def done(self) -> Image.Image:
        """Finish the drawing, RGBA, in its final size."""
        return self._image.reduce(_FINE)

    def picture(self) -> Image.Image:
        """Finish the drawing, RGB, in its final size."""
        return self.done().convert("RGB")


def gradient(top: Colour, bottom: Colour) -> Image.Image:
    """Draw a full picture that changes from one colour to another, RGB."""
    ramp = np.linspace(0, 1, H, dtype=np.float32)[:, None, None]
    colours = np.asarray(top, np.float32) * (1 - ramp) + np.asarray(bottom, np.float32) * ramp
    return Image.fromarray(np.broadcast_to(colours, (H, W, 3)).astype(np.uint8))


def over(below: Image.Image, sketch: Sketch) -> Image.Image:
    """Lay over `below` a transparent sketch of the same size, RGB."""
    picture = below.copy()
    put(picture, sketch.done(), 0, 0)
    return picture


def put(picture: Image.Image, sprite: Image.Image, x: float, y: float) -> None:
    """Paste an RGBA sprite with its upper left corner at (x, y), in place."""
    picture.paste(sprite, (round(x), round(y)), sprite)


def put_centre(picture: Image.Image, sprite: Image.Image, x: float, y: float) -> None:
    """Paste an RGBA sprite around (x, y), in place."""
    put(picture, sprite, x - sprite.width / 2, y - sprite.height / 2)


def colour(hue: float, saturation: float, value: float) -> Colour:
    """Make the RGB colour of a hue (a turn is 1), saturation and value from 0 to 1."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, min(max(saturation, 0), 1), min(max(value, 0), 1))
    return round(red * 255), round(green * 255), round(blue * 255)


def shade(base: Colour, factor: float) -> Colour:
    """Make a darker (below 1) or lighter colour."""
    red, green, blue = (min(255, round(part * factor)) for part in base)
    return red, green, blue


def choose(rng: np.random.Generator, colours: Sequence[Colour]) -> Colour:
    """Choose one of `colours`, slightly changed."""
    base = colours[int(rng.integers(len(colours)))]
    return shade(base, float(rng.uniform(0.88, 1.1)))


def _large(*numbers: float) -> list[float]:
    return [number * _FINE for number in numbers]
