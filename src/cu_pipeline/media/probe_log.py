import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from cu_pipeline.core.errors import Reason, StoreError
from cu_pipeline.media.probe import MediaFacts


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


class ProbeLog:
    """All that was ever probed: an append-only file of JSON lines.

    A line that a crash left unfinished is ignored, and cut off by the next `append`.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Probed]:
        """Give what was found by key.

        Raises:
            StoreError: a finished line is damaged.
        """
        if not self._path.exists():
            return {}
        *lines, _unfinished = self._path.read_bytes().split(b"\n")
        records = (self._parse(number, line) for number, line in enumerate(lines, 1))
        return {record.key: record for record in records}

    def append(self, records: Iterable[Probed]) -> None:
        """Add records and put them on the disk."""
        lines = "".join(json.dumps(asdict(record)) + "\n" for record in records)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as stream:
            stream.truncate(self._finished_bytes())
            stream.write(lines.encode())
            stream.flush()
            os.fsync(stream.fileno())

    def _finished_bytes(self) -> int:
        size = self._path.stat().st_size
        with self._path.open("rb") as stream:
            stream.seek(max(size - 1, 0))
            if stream.read(1) in {b"", b"\n"}:
                return size
            stream.seek(0)
            return stream.read().rfind(b"\n") + 1

    def _parse(self, number: int, line: bytes) -> Probed:
        try:
            record = json.loads(line)
            facts = MediaFacts(**record["facts"]) if record["facts"] else None
            reason = Reason(record["reason"]) if record["reason"] else None
            return Probed(record["key"], facts, reason, record["detail"])
        except (ValueError, KeyError, TypeError) as error:
            remedy = "delete the file, which costs probing the clips once more"
            raise StoreError(f"{self._path} line {number} is damaged: {remedy}") from error
