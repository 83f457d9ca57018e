"""What predictions need of a media file, read in a process apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.errors import BadClipError
from cu_pipeline.features.encoding import prepare_media
from cu_pipeline.features.extractor import Extractor, Preparer
from cu_pipeline.inference.explanation import Shot, Shots
from cu_pipeline.media.options import Limits
from cu_pipeline.media.probe import Examined, examine

FACTS: Final = ("duration_s", "width", "height", "fps", "bytes")
SOUND: Final = "has_sound"

_SHOTS: Final = "shots"


@dataclass(frozen=True)
class ReadingTask:
    """One media file, and what is wanted of it.

    Attributes:
        path: a local file.
        parts: of the embedding, whose extractors' inputs are wanted.
        shots: whether people want to see it.
        most_pixels: that may have to be decoded for it; above it the file is only looked at.
    """

    path: str
    parts: tuple[str, ...]
    shots: bool = False
    most_pixels: float = inf


@dataclass(frozen=True)
class Decoded:
    """What is read from one media file.

    Attributes:
        facts: duration_s, width, height, fps, bytes; has_sound, 1 or 0.
        sha256: of the file's bytes.
        prepared: part of the embedding -> what the extractor's model takes.
        shots: frames for people.
        postponed: whether nothing was decoded, since it costs more than was allowed.
    """

    facts: dict[str, float]
    sha256: str
    prepared: dict[str, Any] = field(default_factory=dict)
    shots: list[Shot] = field(default_factory=list)
    postponed: bool = False


def read_clip(task: ReadingTask, extractors: Mapping[str, Extractor], limits: Limits) -> Decoded:
    """Check a media file against the limits and read what predictions need of it, decoding it once.

    Args:
        task: the file.
        extractors: part of the embedding -> an extractor that looks at media.
        limits: its time and memory are for the caller to enforce.

    Raises:
        BadClipError: the media is refused. What one extractor reads by itself and cannot use is absent instead.
    """
    wanted: dict[str, Preparer] = {name: extractors[name] for name in task.parts}
    if task.shots:
        wanted[_SHOTS] = Shots()
    found = examine(Path(task.path), limits)
    facts = {name: float(getattr(found.facts, name)) for name in FACTS} | {SOUND: float(found.facts.has_audio)}
    if pixels_to_decode(found, wanted) > task.most_pixels:
        return Decoded(facts, found.facts.sha256, postponed=True)
    prepared = prepare_media(task.path, wanted) if wanted else {}
    usable = {name: one for name, one in prepared.items() if not isinstance(one, BadClipError)}
    return Decoded(facts, found.facts.sha256, shots=usable.pop(_SHOTS, []), prepared=usable)


def pixels_to_decode(found: Examined, wanted: Mapping[str, Preparer]) -> float:
    """Tell how many pixels must be decoded at most: from a key frame up to each picture that is wanted."""
    samplings = [sampling for one in wanted.values() if (sampling := one.sampling) is not None]
    most = max((sampling.count for sampling in samplings), default=0)
    pictures = min(found.pictures, most * found.key_frame_gap)
    return float(pictures * found.facts.width * found.facts.height)
