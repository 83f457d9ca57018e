import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from cu_pipeline.core.errors import Reason, StoreError
from cu_pipeline.core.json_lines import append_lines, read_lines
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
        records = (self._parse(number, line) for number, line in enumerate(read_lines(self._path), 1))
        return {record.key: record for record in records}

    def append(self, records: Iterable[Probed]) -> None:
        """Add records and put them on the disk."""
        append_lines(self._path, (json.dumps(asdict(record)) for record in records))

    def _parse(self, number: int, line: bytes) -> Probed:
        try:
            record = json.loads(line)
            facts = MediaFacts(**record["facts"]) if record["facts"] else None
            reason = Reason(record["reason"]) if record["reason"] else None
            return Probed(record["key"], facts, reason, record["detail"])
        except (ValueError, KeyError, TypeError) as error:
            remedy = "delete the file, which costs probing the clips once more"
            raise StoreError(f"{self._path} line {number} is damaged: {remedy}") from error
