"""Probing media files, each once while it stays the same."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from cu_pipeline.compute.mapper import Mapper, Outcome
from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.paths import from_stored
from cu_pipeline.media.frames import decoder_identity
from cu_pipeline.media.options import Limits
from cu_pipeline.media.probe import MediaFacts, probe
from cu_pipeline.media.probe_log import Probed

CHUNK: Final = 64
"""Files whose facts are written together, so the most that a crash costs."""


def probe_key(stored: str, limits: Limits) -> str:
    """Give the key of what probing a file finds: of its place, size and date, the limits and the decoder.

    Args:
        stored: the path in the form that tables keep.
        limits: what the file may cost.

    Raises:
        BadClipError: `missing`.
    """
    try:
        path = from_stored(stored)
        status = path.stat()
    except (OSError, ValueError) as error:
        raise BadClipError(Reason.MISSING, "there is no such file") from error
    if not path.is_file():
        raise BadClipError(Reason.MISSING, "it is not a file")
    place = [stored, status.st_size, status.st_mtime_ns]
    return json_sha256([*place, limits.model_dump(), decoder_identity()])


def probe_files(files: Mapping[str, str], limits: Limits, mapper: Mapper) -> Iterator[list[Probed]]:
    """Probe files in processes that may fail, a chunk at a time.

    Args:
        files: keys of what is found to paths in the form that tables keep.
        limits: what a file may cost.
        mapper: runs it.
    """
    outcomes = mapper.map(
        partial(probe, limits=limits),
        [from_stored(stored) for stored in files.values()],
        timeout_s=limits.timeout_s,
        memory_mb=limits.memory_mb,
        description="probing media",
    )
    chunk: list[Probed] = []
    for key, outcome in zip(files, outcomes, strict=True):
        chunk.append(_probed(key, outcome))
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _probed(key: str, outcome: Outcome[MediaFacts]) -> Probed:
    if outcome.error is not None:
        return Probed(key, reason=outcome.error.reason, detail=outcome.error.detail)
    return Probed(key, facts=outcome.value)
