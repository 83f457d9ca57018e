"""What a media file of the sample world shows, and what may be wrong with it."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from cu_pipeline.core.errors import Reason
from cu_pipeline.core.hashing import json_sha256

RENDERER: Final = 2
"""Raise this when the same shot gives another picture, so that worlds on disk are rendered again."""

WIDTH: Final = 216
HEIGHT: Final = 384
FPS: Final = 12


@dataclass(frozen=True)
class Look:
    """How one creator films.

    Attributes:
        tint: gains of red, green and blue.
        contrast: 1 keeps it.
        saturation: 1 keeps it.
        noise: standard deviation of the grain, in grey levels.
        shake: how far the hand moves, in pixels.
    """

    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    contrast: float = 1.0
    saturation: float = 1.0
    noise: float = 3.0
    shake: float = 2.0


@dataclass(frozen=True)
class Shot:
    """All that a media file depends on.

    Attributes:
        scene: a key of `scenes.SCENES`.
        seed: of everything random in the picture and the sound.
        seconds: length of the clip.
        look: the creator's.
        reverse: play the frames from last to first.
        overlay: lines of text on screen; ASCII, since the font has no more.
        badge: text of a price sticker; empty for none.
        impacts: red flashes, bursts and jolts.
        neon: the new visual style.
        crf: x264's constant rate factor; higher is coarser.
        alteration: an `Alteration`; empty for an original.
        mark: text of the watermark of an altered copy.
        damage: a `Damage`; empty for a sound file.
    """

    scene: str
    seed: int
    seconds: float
    look: Look = Look()
    reverse: bool = False
    overlay: tuple[str, ...] = ()
    badge: str = ""
    impacts: bool = False
    neon: bool = False
    crf: int = 27
    alteration: str = ""
    mark: str = ""
    damage: str = ""

    @property
    def frames(self) -> int:
        """How many frames the shot has before it is altered."""
        return round(self.seconds * FPS)

    @property
    def key(self) -> str:
        """Hash of everything that the file's bytes depend on; 12 hex digits."""
        return json_sha256([RENDERER, WIDTH, HEIGHT, FPS, asdict(self)])[:12]


class Damage(StrEnum):
    """What is wrong with a row that must be refused."""

    EMPTY = "empty"
    TRUNCATED = "truncated"
    GARBAGE = "garbage"
    AUDIO_ONLY = "audio_only"
    MISSING = "missing"
    REPEATED = "repeated"


REASONS: Final = {
    Damage.EMPTY: Reason.EMPTY,
    Damage.TRUNCATED: Reason.TRUNCATED,
    Damage.GARBAGE: Reason.NOT_MEDIA,
    Damage.AUDIO_ONLY: Reason.NO_VIDEO,
    Damage.MISSING: Reason.MISSING,
    Damage.REPEATED: Reason.DUPLICATE_ID,
}
"""Why each kind must be refused."""
