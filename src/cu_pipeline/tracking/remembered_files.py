"""Configuration that was read is read again only when a file of it has changed."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

_MOST: Final = 32
_SUFFIXES: Final = (".yml", ".yaml", ".json")

_known: Final[dict[bytes, dict[str, Any]]] = {}
"""What was read last, by what it was read from, the oldest first."""


def remembered(folders: Sequence[Path], terms: object, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Give what `read` gives, from before while the files in the folders hold the same bytes.

    Kedro reads and resolves all files again for each session, and a loop opens dozens of them: that takes a hundred
    times as long as comparing the bytes.

    Args:
        folders: with all files that `read` reads; those that are absent count as empty.
        terms: what `read` goes by beside them; what has the same `repr` means the same.
        read: reads; what it raises is not remembered.

    Returns:
        A copy, which the caller may change.
    """
    state = _state(folders, terms)
    found = _known.get(state)
    if found is None:
        found = read()
        if _state(folders, terms) != state:  # a file was saved meanwhile: nobody knows which of both was read
            return found
        while len(_known) >= _MOST:
            _known.pop(next(iter(_known)), None)
        _known[state] = found
    return deepcopy(found)


def _state(folders: Iterable[Path], terms: object) -> bytes:
    """The SHA-256 of the names and bytes of configuration files, and of the terms."""
    digest = hashlib.sha256(repr(terms).encode())
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES and path.is_file()):
            content = path.read_bytes()
            digest.update(f"\0{path}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.digest()
