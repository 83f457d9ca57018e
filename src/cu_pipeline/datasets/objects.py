"""Files that hold objects which know their own JSON form, so that no reader has to parse a dictionary."""

import json
from collections.abc import Mapping
from typing import Any, Protocol, Self

from pydantic import ImportString, TypeAdapter

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.json_lines import append_lines, read_lines
from cu_pipeline.datasets.local import LocalDataset, damage_told


class JSONForm(Protocol):
    """What such an object is able to do."""

    def as_json(self) -> dict[str, Any]:
        """Write it for a file."""
        ...

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote, or an earlier version of it."""
        ...


class JSONObject(LocalDataset[JSONForm, JSONForm]):
    """One object in one file, indented for people and for diffs.

    Args:
        filepath: the file.
        of: full name of the object's class, which has the methods of `JSONForm`.
        metadata: ignored here; read by the generator of `dvc.yaml`.
    """

    def __init__(self, *, filepath: str, of: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._class = _class_named(of)

    def load(self) -> JSONForm:
        with damage_told(self._filepath):
            return self._class.from_json(json.loads(self._filepath.read_text(encoding="utf-8")))

    def save(self, data: JSONForm) -> None:
        write_text(self._filepath, _indented(data.as_json()))


class JSONObjects(LocalDataset[dict[str, JSONForm], dict[str, JSONForm]]):
    """Objects of one class by name, in one file; for the arguments see `JSONObject`."""

    def __init__(self, *, filepath: str, of: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._class = _class_named(of)

    def load(self) -> dict[str, JSONForm]:
        with damage_told(self._filepath):
            records = json.loads(self._filepath.read_text(encoding="utf-8"))
            return {name: self._class.from_json(record) for name, record in records.items()}

    def save(self, data: dict[str, JSONForm]) -> None:
        write_text(self._filepath, _indented({name: one.as_json() for name, one in data.items()}))


class JSONObjectLog(LocalDataset[list[JSONForm], list[JSONForm]]):
    """Objects of one class, one a line: saving appends, loading gives all; no objects leave the bytes as they are."""

    def __init__(self, *, filepath: str, of: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._class = _class_named(of)

    def load(self) -> list[JSONForm]:
        return [self._read(number, line) for number, line in enumerate(read_lines(self._filepath), 1)]

    def _read(self, number: int, line: bytes) -> JSONForm:
        try:
            return self._class.from_json(json.loads(line))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{self._filepath} line {number} is damaged ({error}): take back the file's last version (git and dvc "
                "checkout, where it is versioned), or delete that line; what it recorded is then forgotten"
            ) from error

    def save(self, data: list[JSONForm]) -> None:
        if data or not self._filepath.exists():
            lines = (json.dumps(one.as_json(), sort_keys=True, ensure_ascii=False) for one in data)
            append_lines(self._filepath, lines)


def _class_named(name: str) -> type[JSONForm]:
    return TypeAdapter(ImportString).validate_python(name)


def _indented(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
