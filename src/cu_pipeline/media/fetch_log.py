import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from cu_pipeline.core.errors import Reason, StoreError
from cu_pipeline.core.json_lines import append_lines, read_lines


@dataclass(frozen=True)
class Fetched:
    """What fetching the file behind one address gave.

    Attributes:
        address: where the file is.
        path: the copy, in the form that tables keep; "" when there is none.
        version: what its store says of it that a later content would change; "" when it says nothing.
        reason: why there is no copy; None when there is one.
        detail: the same for a person.
    """

    address: str
    path: str = ""
    version: str = ""
    reason: Reason | None = None
    detail: str = ""


class FetchLog:
    """All that was ever fetched: an append-only file of JSON lines, of which the last for an address counts.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Fetched]:
        """Give what was fetched by address.

        Raises:
            StoreError: a finished line is damaged.
        """
        records = (self._parse(number, line) for number, line in enumerate(read_lines(self._path), 1))
        return {record.address: record for record in records}

    def append(self, records: Iterable[Fetched]) -> None:
        """Add records and put them on the disk."""
        append_lines(self._path, (json.dumps(asdict(record)) for record in records))

    def _parse(self, number: int, line: bytes) -> Fetched:
        try:
            record = json.loads(line)
            return Fetched(**record | {"reason": Reason(record["reason"]) if record["reason"] else None})
        except (ValueError, KeyError, TypeError) as error:
            remedy = "delete the file, which costs fetching the media once more"
            raise StoreError(f"{self._path} line {number} is damaged: {remedy}") from error
