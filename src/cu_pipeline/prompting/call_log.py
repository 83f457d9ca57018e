import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cu_pipeline.core.errors import StoreError
from cu_pipeline.prompting.client import Scored


@dataclass(frozen=True)
class Call:
    """One answered question.

    Attributes:
        key: content key of model and question.
        scored: the answer.
    """

    key: str
    scored: Scored


class CallLog:
    """Every answer that was ever paid for: an append-only file of JSON lines.

    A line that a crash left unfinished is ignored and cut off by the next `append`. When nothing is
    added, the bytes stay as they are.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Scored]:
        """Give all answers by key.

        Raises:
            StoreError: a finished line is not an answer.
        """
        if not self._path.exists():
            return {}
        *lines, _unfinished = self._path.read_bytes().split(b"\n")
        return dict(self._parse(number, line) for number, line in enumerate(lines, 1))

    def append(self, calls: Iterable[Call]) -> None:
        """Add answers and put them on the disk; no calls make an empty file."""
        lines = "".join(
            json.dumps({"key": call.key, "logprobs": call.scored.logprobs, "tokens": call.scored.tokens}) + "\n"
            for call in calls
        )
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if not lines and self._path.exists():
            return
        self._cut_unfinished()
        with self._path.open("ab") as stream:
            stream.write(lines.encode())
            stream.flush()
            os.fsync(stream.fileno())

    def _parse(self, number: int, line: bytes) -> tuple[str, Scored]:
        try:
            record = json.loads(line)
            return record["key"], Scored(tuple(record["logprobs"]), record["tokens"])
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{self._path} line {number} is damaged: delete the line, which costs one call, or get the file "
                "back with `dvc checkout`"
            ) from error

    def _cut_unfinished(self) -> None:
        if self._path.exists() and (content := self._path.read_bytes()) and not content.endswith(b"\n"):
            os.truncate(self._path, content.rfind(b"\n") + 1)
