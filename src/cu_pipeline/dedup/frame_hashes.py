"""Perceptual hashes of media files, each file's bytes hashed once."""

import base64
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

import numpy as np
import pandas as pd

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.counters import count
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.json_lines import LineLog
from cu_pipeline.core.paths import from_stored
from cu_pipeline.dedup.hash_table import Hashed, HashTable
from cu_pipeline.media import perceptual
from cu_pipeline.media.decoding import decoder_identity
from cu_pipeline.media.options import Limits
from cu_pipeline.media.perceptual import FRAMES, WORDS


class HashLog(LineLog[Hashed]):
    """All frame hashes that were ever made, by key; the last ones with a key count."""

    remedy = "delete the file, which costs hashing the clips once more"

    @staticmethod
    def encode(record: Hashed) -> dict[str, Any]:
        """Turn a record into what stands in its line."""
        words = b"" if record.hashes is None else record.hashes.astype("<u8").tobytes()
        return {"key": record.key, "hashes": base64.b64encode(words).decode()}

    @staticmethod
    def decode(line: dict[str, Any]) -> Hashed:
        """Turn what stands in a line into a record."""
        words = np.frombuffer(base64.b64decode(line["hashes"]), "<u8").astype(np.uint64)
        return Hashed(line["key"], words.reshape(FRAMES, 2, WORDS) if words.size else None)

    def read(self) -> HashTable:
        """Read the hashes by key.

        Raises:
            StoreError: a finished line is damaged.
        """
        return HashTable(self.records())


CHUNK: Final = 64
"""Files whose hashes are written together, so the most that a crash costs."""


def hash_key(media_sha256: str) -> str:
    """Make the key of a file's frame hashes: of its bytes, the decoder and the way of hashing."""
    return json_sha256([media_sha256, decoder_identity(), perceptual.VERSION])


def hash_new(rows: pd.DataFrame, known: HashTable, limits: Limits, mapper: Mapper) -> Iterator[list[Hashed]]:
    """Hash the frames of media that were not hashed before, a chunk at a time.

    Args:
        rows: with `media_sha256` and `path`; no hash: no media.
        known: what earlier runs hashed, by key.
        limits: what a file may cost.
        mapper: of the work over files.
    """
    with_media = rows[rows["media_sha256"] != ""].drop_duplicates("media_sha256")
    files = dict(zip(map(hash_key, with_media["media_sha256"]), with_media["path"], strict=True))
    lacking = known.rows(list(files)) < 0
    new = {key: path for (key, path), lacks in zip(files.items(), lacking, strict=True) if lacks}
    count("clips_hashed", len(new))
    count("clips_hash_cached", len(files) - len(new))
    yield from hash_files(new, limits, mapper)


def hash_files(files: Mapping[str, str], limits: Limits, mapper: Mapper) -> Iterator[list[Hashed]]:
    """Hash files in processes that may fail, a chunk at a time. A file whose frames do not all decode has no hashes.

    Args:
        files: keys of hashes to paths in the form that tables keep.
        limits: what a file may cost.
        mapper: of the work over files.
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
