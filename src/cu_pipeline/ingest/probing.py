"""Probing media files, each once while it stays the same."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pandas as pd

from cu_pipeline.compute.mapper import Mapper, Outcome
from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.json_lines import KeyedLog, read_lines
from cu_pipeline.core.paths import from_stored
from cu_pipeline.ingest.tombstones import CONTENT, REMEDY, Tombstones
from cu_pipeline.media.decoding import decoder_identity
from cu_pipeline.media.options import Limits
from cu_pipeline.media.probe import MediaFacts, probe


@dataclass(frozen=True)
class Probed:
    """What probing one file found.

    Attributes:
        key: of the file's place, size and date, and of the limits and decoder it was probed with.
        facts: None when the file was refused.
        reason: why it was refused; None when it was not.
        detail: the same for a person.
    """

    key: str
    facts: MediaFacts | None = None
    reason: Reason | None = None
    detail: str = ""


class ProbeLog(KeyedLog[Probed]):
    """All that was ever probed, by key."""

    remedy = "delete the file, which costs probing the clips once more"

    @staticmethod
    def encode(record: Probed) -> dict[str, Any]:
        """Turn a record into what stands in its line."""
        return asdict(record)

    @staticmethod
    def decode(line: dict[str, Any]) -> Probed:
        """Turn what stands in a line into a record."""
        facts = MediaFacts(**line["facts"]) if line["facts"] else None
        return Probed(line["key"], facts, Reason(line["reason"]) if line["reason"] else None, line["detail"])


CHUNK: Final = 64
"""Files whose facts are written together, so the most that a crash costs."""


def without_facts(probed: Probed, tombstones: Tombstones) -> Probed:
    """Keep of a content that was erased no more than that it is refused."""
    if tombstones.entries and probed.facts is not None and tombstones.knows(CONTENT, probed.facts.sha256):
        return Probed(probed.key, reason=Reason.ERASED, detail=REMEDY)
    return probed


def forget_refusals(path: Path) -> None:
    """Have contents that were refused as erased probed anew, after a tombstone was lifted."""
    kept = [line for line in read_lines(path) if json.loads(line)["reason"] != Reason.ERASED]
    if path.is_file():
        write_text(path, "".join(line.decode() + "\n" for line in kept))


def probe_key(stored: str, limits: Limits) -> str:
    """Make the key of what probing a file finds: of its place, size and date, the limits and the decoder.

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


def probe_new(
    rows: pd.DataFrame, known: Mapping[str, Probed], limits: Limits, mapper: Mapper
) -> Iterator[list[Probed]]:
    """Probe the media of rows that were not probed before, a chunk at a time.

    Args:
        rows: with `probe_key` and `path`; no key: no media.
        known: what earlier runs found, by key.
        limits: what a file may cost.
        mapper: of the work over files.
    """
    with_media = rows[rows["probe_key"] != ""]
    files = dict(zip(with_media["probe_key"], with_media["path"], strict=True))
    new = {key: path for key, path in files.items() if key not in known}
    count("clips_probed", len(new))
    count("clips_probe_cached", len(files) - len(new))
    yield from probe_files(new, limits, mapper)


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
    probed = (_probed(key, outcome) for key, outcome in zip(files, outcomes, strict=True))
    while chunk := list(islice(probed, CHUNK)):
        yield chunk


def _probed(key: str, outcome: Outcome[MediaFacts]) -> Probed:
    if outcome.error is not None:
        return Probed(key, reason=outcome.error.reason, detail=outcome.error.detail)
    return Probed(key, facts=outcome.value)
