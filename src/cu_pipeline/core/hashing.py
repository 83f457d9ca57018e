import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

_ROWS: Final = 20_000
"""Rows of a table that are written at a time."""


def file_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file's bytes in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def text_sha256(text: str) -> str:
    """Compute the SHA-256 of a text's UTF-8 bytes in hex."""
    return hashlib.sha256(_encoded(text)).hexdigest()


def json_sha256(value: object) -> str:
    """Compute the SHA-256 of a value's canonical JSON (sorted keys, no spaces) in hex.

    >>> json_sha256({"a": 1, "b": 2}) == json_sha256({"b": 2, "a": 1})
    True
    """
    return text_sha256(_canonical(value))


def facts_sha256(facts: Mapping[str, object] | Sequence[object]) -> str:
    """Compute what `json_sha256` does of values some of which are tables, without writing these as a whole.

    Args:
        facts: values, by name or in order; a table of pandas stands for the list of its rows.

    >>> import pandas as pd
    >>> facts_sha256({"b": 1, "a": pd.DataFrame({"x": ["u", "v"]})}) == json_sha256({"b": 1, "a": [["u"], ["v"]]})
    True
    """
    named = isinstance(facts, Mapping)
    items = sorted(facts.items()) if isinstance(facts, Mapping) else [("", value) for value in facts]
    found = hashlib.sha256(b"{" if named else b"[")
    for place, (name, value) in enumerate(items):
        found.update(_encoded("," * (place > 0) + (f"{_canonical(name)}:" if named else "")))
        for part in _rows_of(value) if hasattr(value, "iloc") else [_canonical(value)]:
            found.update(_encoded(part))
    found.update(b"}" if named else b"]")
    return found.hexdigest()


def rows_sha256(table: Any) -> str:
    """Compute what `json_sha256` does of the list of a table's rows, written as text, without that list.

    >>> import pandas as pd
    >>> rows_sha256(pd.DataFrame({"x": [1.5, 2.0]})) == json_sha256([["1.5"], ["2.0"]])
    True
    """
    found = hashlib.sha256()
    for part in _rows_of(table, as_text=True):
        found.update(_encoded(part))
    return found.hexdigest()


def _rows_of(table: Any, *, as_text: bool = False) -> Iterator[str]:
    """The canonical JSON of a table's rows, in parts."""
    yield "["
    for start in range(0, len(table), _ROWS):
        part = table.iloc[start : start + _ROWS]
        rows = (part.astype(str) if as_text else part).to_numpy().tolist()
        yield "," * (start > 0) + _canonical(rows)[1:-1]
    yield "]"


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def unit_interval(key: str) -> float:
    """Map a key to a fixed number in [0, 1), uniform over keys.

    >>> 0 <= unit_interval("a") < 1
    True
    """
    return int(hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:13], 16) / 16**13
