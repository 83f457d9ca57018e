import logging
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from cu_pipeline.compute.mapper import Mapper, Outcome
from cu_pipeline.core.counters import count
from cu_pipeline.core.paths import from_stored
from cu_pipeline.features.screen_text import ScreenTextReader
from cu_pipeline.features.text_log import TextFeature
from cu_pipeline.media.options import Limits

CHUNK: Final = 16
"""Clips whose texts are written together, so the most that a crash costs."""

_log = logging.getLogger(__name__)


def read_screens(
    reader: ScreenTextReader, files: Mapping[str, str], limits: Limits, mapper: Mapper
) -> Iterator[list[TextFeature]]:
    """Read the text on screen of clips in processes that may fail, a chunk at a time.

    A clip that does not decode has no text; one that was too slow or crashed its process is left to the next run.
    Counts `screens_read`.

    Args:
        reader: reads.
        files: keys to paths in the form that tables keep.
        limits: time and memory that one clip may take.
        mapper: runs it.
    """
    count("screens_read", 0)
    outcomes = mapper.map(
        reader.read,
        [from_stored(stored) for stored in files.values()],
        timeout_s=limits.timeout_s,
        memory_mb=limits.memory_mb,
        description="reading text on screen",
    )
    found = _features(zip(files.items(), outcomes, strict=True))
    while chunk := list(islice(found, CHUNK)):
        yield chunk


def _features(read: Iterable[tuple[tuple[str, str], Outcome[str]]]) -> Iterator[TextFeature]:
    for (key, path), outcome in read:
        count("screens_read")
        if outcome.error is not None:
            _log.warning("text on screen of %s: %s", path, outcome.error)
        if outcome.is_settled:
            yield TextFeature(key, outcome.value or "")
