import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.json_lines import append_lines, read_lines
from cu_pipeline.media.perceptual import FRAMES, WORDS, Hashes


@dataclass(frozen=True)
class Hashed:
    """The perceptual hashes of one file.

    Attributes:
        key: of the file's bytes, and of how its frames are decoded and hashed.
        hashes: shape (FRAMES, 2, WORDS); None when its frames do not all decode.
    """

    key: str
    hashes: Hashes | None = None


class HashLog:
    """All frame hashes that were ever made: an append-only file of JSON lines.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Hashed]:
        """Give what was hashed by key.

        Raises:
            StoreError: a finished line is damaged.
        """
        records = (self._parse(number, line) for number, line in enumerate(read_lines(self._path), 1))
        return {record.key: record for record in records}

    def append(self, records: Iterable[Hashed]) -> None:
        """Add records and put them on the disk."""
        append_lines(self._path, (_line(record) for record in records))

    def _parse(self, number: int, line: bytes) -> Hashed:
        try:
            record = json.loads(line)
            words = np.frombuffer(base64.b64decode(record["hashes"]), "<u8").astype(np.uint64)
            return Hashed(record["key"], words.reshape(FRAMES, 2, WORDS) if words.size else None)
        except (ValueError, KeyError, TypeError) as error:
            remedy = "delete the file, which costs hashing the clips once more"
            raise StoreError(f"{self._path} line {number} is damaged: {remedy}") from error


def _line(record: Hashed) -> str:
    words = b"" if record.hashes is None else record.hashes.astype("<u8").tobytes()
    return json.dumps({"key": record.key, "hashes": base64.b64encode(words).decode()})
