import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.json_lines import append_lines, read_lines
from cu_pipeline.features.extractor import Identity


@dataclass(frozen=True)
class TextFeature:
    """What an extractor puts into words about one clip.

    Attributes:
        key: of the clip's media and of all that decides the words.
        text: "" where there is nothing to say, or where the media cannot be used.
    """

    key: str
    text: str


def text_key(identity: Identity, media_sha256: str) -> str:
    """Give the key of a text feature: machines that agree on it may share the log."""
    return json_sha256([identity.fingerprint, media_sha256])


class TextLog:
    """All text features that were ever made: an append-only file of JSON lines.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, str]:
        """Give the texts by key.

        Raises:
            StoreError: a finished line is damaged.
        """
        records = (self._parse(number, line) for number, line in enumerate(read_lines(self._path), 1))
        return {record.key: record.text for record in records}

    def append(self, features: Iterable[TextFeature]) -> None:
        """Add features and put them on the disk; none make an empty file."""
        append_lines(self._path, (json.dumps(asdict(one), ensure_ascii=False) for one in features))

    def _parse(self, number: int, line: bytes) -> TextFeature:
        try:
            record = json.loads(line)
            return TextFeature(str(record["key"]), str(record["text"]))
        except (ValueError, KeyError, TypeError) as error:
            remedy = "delete the line, which costs reading one clip again"
            raise StoreError(f"{self._path} line {number} is damaged: {remedy}") from error
