"""Reading a tar file in which files that share a stem are one sample, as WebDataset lays them out."""

import json
import re
import tarfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO, Final

from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.ingest.folder import SUFFIXES
from cu_pipeline.ingest.manifest import PROBLEM, REASON, Record
from cu_pipeline.ingest.media_store import BLOCK, keep

MAX_FACTS_BYTES: Final = 2**20
"""Largest file beside the media, in bytes."""

_MEDIA: Final = "media"
_NAME: Final = re.compile(r"(?P<key>(?:.*/)?[^/.]+)(?P<ending>\.[^/]+)")


def _facts(content: bytes) -> Record:
    facts = json.loads(content)
    if not isinstance(facts, dict):
        raise ValueError("no JSON object")
    return {name: value for name, value in facts.items() if name not in {"path", PROBLEM, REASON}}


FIELDS: Final[dict[str, Callable[[bytes], Record]]] = {
    ".json": _facts,
    ".txt": lambda content: {"text": content.decode("utf-8-sig")},
    ".cls": lambda content: {"label": content.decode("utf-8-sig").strip()},
}
"""What a sample's files beside the media tell, by their ending; later ones go before earlier ones."""


@dataclass
class _Sample:
    parts: dict[str, Record] = field(default_factory=dict)
    error: BadClipError | None = None

    def row(self, clip_id: str) -> Record:
        facts: Record = {"clip_id": clip_id, "path": ""}
        for kind in (*FIELDS, _MEDIA):
            facts |= self.parts.get(kind, {})
        if self.error is None:
            return facts
        return facts | {"path": "", PROBLEM: self.error.detail, REASON: self.error.reason.value}


class _Header(tarfile.TarInfo):
    """A member's header; a damaged one is an error also behind the first, where tarfile takes it for the end."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> "_Header":
        try:
            return super().fromtarfile(tar)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":  # the regular end
                raise
            raise tarfile.ReadError(f"{error} at byte {tar.offset}") from error


def read_shard(stream: IO[bytes], name: str, max_bytes: int) -> tuple[list[Record], Counter[str]]:
    """Read all samples of a tar file, compressed or not, and put their media into the media store.

    No member's name is ever used as a file's name.

    Args:
        stream: the tar file; it is read once, from its beginning to its end.
        name: stands before the samples' keys in `clip_id`.
        max_bytes: largest media file.

    Returns:
        Rows in the order of their first members, and how many members of which endings were left out.

    Raises:
        tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError: it is no tar file, or is damaged.
    """
    samples: dict[str, _Sample] = {}
    ignored: Counter[str] = Counter()
    with tarfile.open(fileobj=stream, mode="r|*", tarinfo=_Header) as tar:
        for member in tar:
            key, kind = _place(member.name)
            if kind is None and not member.isdir():
                ignored[PurePosixPath(member.name).suffix or member.name] += 1
            if kind is None or member.isdir():
                continue
            sample = samples.setdefault(key, _Sample())
            try:
                _check(member, kind, sample)
                sample.parts[kind] = _read(tar, member, kind, max_bytes)
            except BadClipError as error:
                sample.error = sample.error or error
    return [sample.row(f"{name}/{key}") for key, sample in samples.items()], ignored


def _place(name: str) -> tuple[str, str | None]:
    """Find the sample that a member belongs to, and what the member is to it; None for nothing."""
    if (match := _NAME.fullmatch(name)) is None:
        return "", None
    ending = match["ending"].lower()
    kind = _MEDIA if ending.endswith(SUFFIXES) else ending
    return match["key"], kind if kind == _MEDIA or kind in FIELDS else None


def _check(member: tarfile.TarInfo, kind: str, sample: _Sample) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise BadClipError(Reason.BAD_ROW, f"the member {member.name!r} points out of the tar file")
    if not member.isreg():
        raise BadClipError(Reason.BAD_ROW, f"the member {member.name!r} is a link or device, not a file")
    if kind in sample.parts:
        raise BadClipError(Reason.BAD_ROW, f"the member {member.name!r} is the second of its kind in its sample")


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo, kind: str, max_bytes: int) -> Record:
    limit = max_bytes if kind == _MEDIA else MAX_FACTS_BYTES
    if member.size > limit:
        raise BadClipError(Reason.TOO_LARGE, f"{member.name!r}: {member.size} bytes, more than {limit}")
    stream = tar.extractfile(member)
    if stream is None:
        raise BadClipError(Reason.BAD_ROW, f"the member {member.name!r} is no file")
    if kind == _MEDIA:
        count("media_extracted")
        return {
            "path": keep(iter(lambda: stream.read(BLOCK), b""), PurePosixPath(member.name).suffix.lower(), max_bytes)
        }
    try:
        return FIELDS[kind](stream.read())
    except ValueError as error:
        raise BadClipError(Reason.BAD_ROW, f"{member.name!r} cannot be read: {error}") from error
