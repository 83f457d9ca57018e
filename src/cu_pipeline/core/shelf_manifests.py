"""What tells the files of a folder on a shared place that count: manifests, each written once by one process."""

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.hashing import file_sha256, text_sha256

MANIFESTS: Final = "manifests"
TOGETHER: Final = 64
"""Files that one manifest names at most: each publication writes it anew, and readers ask for each once."""
LARGE: Final = 2**20
"""Bytes from which on a manifest is full all the same."""


@dataclass(frozen=True)
class Entry:
    """A file of a shelf.

    Attributes:
        name: below the shelf's folder. Another content must have another name.
        size: in bytes.
        sha256: of its bytes.
        facts: what its reader wants to know without opening it.
    """

    name: str
    size: int
    sha256: str
    facts: dict[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, path: Path, name: str, **facts: Any) -> "Entry":
        """Describe a local file that is to be published under `name`."""
        return cls(name, path.stat().st_size, file_sha256(path), facts)


@dataclass(frozen=True)
class Listed:
    """What a listing says of a file: its bytes, and when it was written (seconds since 1970)."""

    size: int
    written: float


class Writer:
    """What one process has published under its current manifest.

    Args:
        process: its number.
    """

    def __init__(self, process: int) -> None:
        self.process = process
        self.begin()

    def begin(self) -> None:
        """Begin a manifest that takes no other's place; names sort by the time of this."""
        self.name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{secrets.token_hex(6)}"
        self.former, self.size = "", 0
        self.entries: list[Entry] = []


def divided(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Divide files among manifests that are full, but for the last."""
    together: list[Entry] = []
    size = 0
    for entry in entries:
        together.append(entry)
        size += len(json.dumps(asdict(entry)))
        if len(together) == TOGETHER or size >= LARGE:
            yield together
            together, size = [], 0
    if together:
        yield together


def is_manifest(name: str) -> bool:
    """Whether a file is called as manifests are."""
    return name.startswith(f"{MANIFESTS}/") and name.endswith(".json")


def is_full(told: Sequence[Entry], about: Listed | None) -> bool:
    """Whether a manifest that tells of these files takes no more."""
    return about is not None and (len(told) >= TOGETHER or about.size >= LARGE)


def is_whole(name: str, text: str) -> bool:
    """Whether a manifest has the content that its name tells."""
    return name.removesuffix(".json").rpartition("-")[2] == text_sha256(text)[:16]
