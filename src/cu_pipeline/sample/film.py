"""Draws the frames and the sound of a shot: the scene, and what is laid over it."""

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cu_pipeline.sample.scenes import SCENES
from cu_pipeline.sample.scenes.canvas import MARGIN, Sketch, put_centre
from cu_pipeline.sample.shot import FPS, HEIGHT, WIDTH, Look, Shot
from cu_pipeline.sample.world import stream

Frames = list[NDArray[np.uint8]]
"""Pictures of HEIGHT x WIDTH x 3, RGB."""

SAMPLE_RATE: Final = 16_000
"""Of the sound, in hertz."""

_GRAINS: Final = 4


def draw_frames(shot: Shot) -> Frames:
    """Draw all frames of a shot, before any alteration.

    A reversed shot has exactly the frames of the same shot played forwards.
    """
    rng = stream(shot.seed, "picture")
    paint = SCENES[shot.scene](rng)
    shift, finish = _shaken(shot, rng), _finish(shot, rng)
    frames: Frames = []
    for place in range(shot.frames):
        picture = paint(place / max(shot.frames - 1, 1), place / FPS)
        x, y = shift(place)
        frames.append(finish(picture.crop((x, y, x + WIDTH, y + HEIGHT)), place))
    return frames[::-1] if shot.reverse else frames


def draw_sound(shot: Shot) -> NDArray[np.int16]:
    """Make the sound of a shot: a slow chord over hiss. It tells nothing.

    Returns:
        Samples at `SAMPLE_RATE`, one channel.
    """
    rng = stream(shot.seed, "sound")
    time = np.arange(round(shot.frames / FPS * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
    root, beat = rng.uniform(110, 330), rng.uniform(1, 3)
    chord = sum(np.sin(2 * np.pi * root * ratio * time) for ratio in (1, rng.choice([1.2, 1.25]), 1.5))
    sound = 0.12 * chord * (0.6 + 0.4 * np.cos(2 * np.pi * beat * time)) + 0.01 * rng.standard_normal(len(time))
    return np.asarray(np.clip(sound, -1, 1) * 32_000, np.int16)


def _shaken(shot: Shot, rng: np.random.Generator) -> Callable[[int], tuple[int, int]]:
    phases, rates = rng.uniform(0, 6, 4), rng.uniform(1, 5, 4)
    blows = _blows(shot)

    def shift(place: int) -> tuple[int, int]:
        waves = np.sin(phases + rates * place / FPS)
        reach = MARGIN if place in blows else min(shot.look.shake, MARGIN)
        x, y = (waves[0] + waves[1]) / 2 * reach, (waves[2] + waves[3]) / 2 * reach
        return round(MARGIN + x), round(MARGIN + y)

    return shift


def _finish(shot: Shot, rng: np.random.Generator) -> Callable[[Image.Image, int], NDArray[np.uint8]]:
    import cv2

    grading, grains = _grading(shot.look), _grains(shot.look.noise, rng)
    star, blows = burst(), _blows(shot)
    sites = rng.uniform(0.25, 0.75, (shot.frames, 2))
    text, corner = _cut_out(lettering(shot.overlay)) if shot.overlay else (None, (0, 0))
    sticker = price_sticker(shot.badge) if shot.badge else None
    at = (WIDTH - 46, HEIGHT * rng.uniform(0.55, 0.85))

    def lay_over(picture: Image.Image, place: int) -> Image.Image:
        if place in blows:
            picture = Image.blend(picture, Image.new("RGB", picture.size, (220, 10, 10)), 0.45)
            put_centre(picture, star, sites[place, 0] * WIDTH, sites[place, 1] * HEIGHT)
        if shot.neon:
            picture = _neon(picture)
        if sticker is not None:
            put_centre(picture, sticker, *at)
        if text is not None:
            picture.paste(text, corner, text)
        return picture

    def finish(picture: Image.Image, place: int) -> NDArray[np.uint8]:
        pixels = cv2.transform(np.asarray(picture), grading)
        if place in blows or shot.neon or sticker is not None or text is not None:
            pixels = np.asarray(lay_over(Image.fromarray(pixels), place))
        return np.asarray(cv2.addWeighted(pixels, 1, grains[place % _GRAINS], 1, -128), np.uint8)

    return finish


def _blows(shot: Shot) -> set[int]:
    """List the frames of a blow: four in each second, two and two."""
    return {place for place in range(shot.frames) if place % FPS in (2, 3, 8, 9)} if shot.impacts else set()


def _grading(look: Look) -> NDArray[np.float64]:
    """Make the 3 x 4 colour matrix of saturation, then contrast, then tint."""
    grey = np.tile((0.299, 0.587, 0.114), (3, 1))
    mixed = look.contrast * (look.saturation * np.eye(3) + (1 - look.saturation) * grey)
    lifted = np.column_stack([mixed, np.full(3, 128 * (1 - look.contrast))])
    return np.asarray(lifted * np.asarray(look.tint)[:, None])


def _grains(noise: float, rng: np.random.Generator) -> list[NDArray[np.uint8]]:
    """Draw pictures of grain around a grey level of 128."""
    grain = rng.normal(128, noise, (HEIGHT + 32, WIDTH + 32)).clip(0, 255).astype(np.uint8)
    corners = rng.integers(0, 32, (_GRAINS, 2)).tolist()
    return [np.repeat(grain[y : y + HEIGHT, x : x + WIDTH, None], 3, axis=2) for x, y in corners]


def _cut_out(picture: Image.Image) -> tuple[Image.Image, tuple[int, int]]:
    """Leave only the part of a picture that shows something, and say where its upper left corner is."""
    left, top, right, bottom = picture.getbbox() or (0, 0, 1, 1)
    return picture.crop((left, top, right, bottom)), (left, top)


def _neon(picture: Image.Image) -> Image.Image:
    """Turn the picture into two colours, violet and acid green, with scan lines and a frame."""
    grey = np.asarray(picture.convert("L"), np.float32)[..., None] / 255
    pixels = np.asarray((48, 0, 92), np.float32) * (1 - grey) + np.asarray((150, 255, 120), np.float32) * grey
    pixels[::3] *= 0.72
    pixels[:, :8] = pixels[:, -8:] = pixels[:14] = pixels[-14:] = (255, 40, 190)
    return Image.fromarray(pixels.astype(np.uint8))


_TEXT_AT: Final = 0.17
_MARGIN: Final = 10


def lettering(lines: tuple[str, ...], size: int = 23) -> Image.Image:
    """Draw a full transparent picture with centred white text in a black outline.

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
    """Draw a round red sticker with `text`."""
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
    """Draw the jagged star of a blow."""
    side = 150
    points = []
    for k in range(24):
        away = (70, 40, 60, 36)[k % 4]
        points.append((side / 2 + away * math.cos(k * math.pi / 12), side / 2 + away * math.sin(k * math.pi / 12)))
    inner = [(side / 2 + (x - side / 2) * 0.6, side / 2 + (y - side / 2) * 0.6) for x, y in points]
    return Sketch(side, side).poly(points, (226, 20, 24)).poly(inner, (255, 224, 60)).done()


def watermark(text: str) -> Image.Image:
    """Draw a full transparent picture with half-transparent `text` in a corner."""
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
