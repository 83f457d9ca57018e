from collections.abc import Iterable
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.json_lines import append_lines, read_lines
from cu_pipeline.labeling.people.records import BatchEvent, PersonAnswer

Record = TypeVar("Record", bound=BaseModel)


class RecordLog(Generic[Record]):
    """An append-only file of records, one JSON line each.

    Args:
        path: the file; it may be absent.
        kind: type of the records.
    """

    def __init__(self, path: Path, kind: Any) -> None:
        self._path = path
        self._adapter: TypeAdapter[Record] = TypeAdapter(kind)

    def read(self) -> list[Record]:
        """Give all records in order.

        Raises:
            StoreError: a line is damaged.
        """
        return [self._parsed(number, line) for number, line in enumerate(read_lines(self._path), start=1)]

    def append(self, records: Iterable[Record]) -> None:
        """Add records and put them on the disk; without any, make sure that there is a file."""
        append_lines(self._path, (record.model_dump_json() for record in records))

    def _parsed(self, number: int, line: bytes) -> Record:
        try:
            return self._adapter.validate_json(line)
        except ValidationError as error:
            fault = error.errors()[0]
            raise StoreError(
                f"{self._path}, line {number} is damaged: {fault['msg']} at {fault['loc']}. It holds people's work: "
                "repair the line, or bring the file back with `dvc checkout`"
            ) from error


def batch_log(path: Path) -> RecordLog[Any]:
    """Open the log of batches and decisions on them."""
    return RecordLog(path, BatchEvent)


def answer_log(path: Path) -> RecordLog[PersonAnswer]:
    """Open the log of people's answers."""
    return RecordLog(path, PersonAnswer)
