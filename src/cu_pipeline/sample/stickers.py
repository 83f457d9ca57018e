"""What is laid over a picture: text on screen, a price sticker, the burst of an impact, a watermark."""

import math
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from cu_pipeline.sample.scenes.canvas import Sketch
from cu_pipeline.sample.shot import HEIGHT, WIDTH

_TEXT_AT: Final = 0.17
_MARGIN: Final = 10


def lettering(lines: tuple[str, ...], size: int = 23) -> Image.Image:
    """Give a full transparent picture with centred white text in a black outline.

    Args:
        lines: ASCII; a line that is too wide is broken between words.
        size: height of the font in pixels.
    """
    image = Image.new("RGBA", (WIDTH, HEIGHT))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    y = HEIGHT * _TEXT_AT
    for line in (part for whole in lines for part in _broken(whole, font)):
        x = (WIDTH - font.getlength(line)) / 2
        draw.text((x, y), line, (255, 255, 255), font, stroke_width=2, stroke_fill=(0, 0, 0))
        y += size * 1.25
    return image


def price_sticker(text: str) -> Image.Image:
    """Give a round red sticker with `text`."""
    side, spikes = 84, 18
    middle = side / 2
    rim = [
        (
            middle + (41 - 5 * (k % 2)) * math.cos(k * math.pi / spikes),
            middle + (41 - 5 * (k % 2)) * math.sin(k * math.pi / spikes),
        )
        for k in range(2 * spikes)
    ]
    sticker = Sketch(side, side).poly(rim, (250, 214, 40)).ellipse(middle, middle, 32, 32, (222, 30, 40)).done()
    font = ImageFont.load_default(20 if len(text) < 6 else 16)
    ImageDraw.Draw(sticker).text((middle, middle), text, (255, 255, 255), font, anchor="mm", stroke_width=0.4)
    return sticker.rotate(12, Image.Resampling.BICUBIC)


def burst() -> Image.Image:
    """Give the jagged star of a blow."""
    side = 150
    points = []
    for k in range(24):
        away = (70, 40, 60, 36)[k % 4]
        points.append((side / 2 + away * math.cos(k * math.pi / 12), side / 2 + away * math.sin(k * math.pi / 12)))
    inner = [(side / 2 + (x - side / 2) * 0.6, side / 2 + (y - side / 2) * 0.6) for x, y in points]
    return Sketch(side, side).poly(points, (226, 20, 24)).poly(inner, (255, 224, 60)).done()


def watermark(text: str) -> Image.Image:
    """Give a full transparent picture with half-transparent `text` in a corner."""
    image = Image.new("RGBA", (WIDTH, HEIGHT))
    font = ImageFont.load_default(15)
    where = (WIDTH - _MARGIN, HEIGHT - _MARGIN)
    ImageDraw.Draw(image).text(
        where, text, (255, 255, 255, 150), font, anchor="rs", stroke_width=1, stroke_fill=(0, 0, 0, 90)
    )
    return image


def _broken(line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    rows = [""]
    for word in line.split():
        longer = f"{rows[-1]} {word}".strip()
        if rows[-1] and font.getlength(longer) > WIDTH - 2 * _MARGIN:
            rows.append(word)
        else:
            rows[-1] = longer
    return rows
