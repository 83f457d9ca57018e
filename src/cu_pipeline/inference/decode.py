from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cu_pipeline.media.options import Limits
from cu_pipeline.media.probe import probe

FACTS: Final = ("duration_s", "width", "height", "fps", "bytes")


@dataclass(frozen=True)
class Decoded:
    """What is read from one media file.

    Attributes:
        facts: duration_s, width, height, fps, bytes.
        prepared: what the frame encoder's model takes.
    """

    facts: dict[str, float]
    prepared: Any


def decode(path: str, prepare: Callable[[str], Any], limits: Limits) -> Decoded:
    """Check a media file against the limits and read what a prediction needs of it.

    Args:
        path: a local file.
        prepare: of the frame encoder.
        limits: its time and memory are for the caller to enforce.

    Raises:
        BadClipError: the media is refused.
    """
    found = probe(Path(path), limits)
    return Decoded({name: float(getattr(found, name)) for name in FACTS}, prepare(path))
