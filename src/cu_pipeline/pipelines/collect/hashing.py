"""Perceptual hashes of media files, each file's bytes hashed once."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.paths import from_stored
from cu_pipeline.media import perceptual
from cu_pipeline.media.frames import decoder_identity
from cu_pipeline.media.hash_log import Hashed
from cu_pipeline.media.options import Limits

CHUNK: Final = 64
"""Files whose hashes are written together, so the most that a crash costs."""


def hash_key(media_sha256: str) -> str:
    """Give the key of a file's frame hashes: of its bytes, the decoder and the way of hashing."""
    return json_sha256([media_sha256, decoder_identity(), perceptual.VERSION])


def hash_files(files: Mapping[str, str], limits: Limits, mapper: Mapper) -> Iterator[list[Hashed]]:
    """Hash files in processes that may fail, a chunk at a time. A file whose frames do not all decode has no hashes.

    Args:
        files: keys of hashes to paths in the form that tables keep.
        limits: what a file may cost.
        mapper: runs it.
    """
    outcomes = mapper.map(
        perceptual.frame_hashes,
        [from_stored(stored) for stored in files.values()],
        timeout_s=limits.timeout_s,
        memory_mb=limits.memory_mb,
        description="hashing frames",
    )
    hashed = (Hashed(key, outcome.value) for key, outcome in zip(files, outcomes, strict=True))
    while chunk := list(islice(hashed, CHUNK)):
        yield chunk
