import hashlib
import json
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file's bytes in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def text_sha256(text: str) -> str:
    """Compute the SHA-256 of a text's UTF-8 bytes in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def json_sha256(value: object) -> str:
    """Compute the SHA-256 of a value's canonical JSON (sorted keys, no spaces) in hex.

    >>> json_sha256({"a": 1, "b": 2}) == json_sha256({"b": 2, "a": 1})
    True
    """
    return text_sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def unit_interval(key: str) -> float:
    """Map a key to a fixed number in [0, 1), uniform over keys.

    >>> 0 <= unit_interval("a") < 1
    True
    """
    return int(hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:13], 16) / 16**13
