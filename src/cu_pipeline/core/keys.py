"""Keys that other tools accept, made of names that users choose: of capabilities, classes, prompts and the like.

A name that a tool takes as it is stays as it is, so that what earlier runs wrote is found again. Any other becomes what
is readable of it and a short hash of all of it. A name that looks like such a key is hashed too, so that no two names
have one key. Keys are for places, not to be read back: what must give the name again keeps it beside.
"""

import re
from typing import Final

from cu_pipeline.core.hashing import text_sha256

LONGEST: Final = 100
"""Characters of a key; MLflow allows 250, which two keys and some words of ours fit into."""

_READABLE: Final = 60
_DIGITS: Final = 10
_HASHED: Final = re.compile(rf".*-[0-9a-f]{{{_DIGITS}}}", re.DOTALL)
_TRACKED: Final = re.compile(r"\w(?:[\w. -]*[\w-])?")
_NAMED: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?")
_FILED: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_-])?")
_DEVICES: Final = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))]
)
"""What Windows takes for a device, whatever follows the first full stop."""


def tracking_key(name: str) -> str:
    """Make a part of the key of an MLflow parameter or metric: letters of any script, digits, `_`, `-`, `.`, blanks.

    >>> tracking_key("ice hockey"), tracking_key("food & drink")
    ('ice hockey', 'food-drink-88c42d8b39')
    """
    return _key(name, _TRACKED)


def registry_key(name: str) -> str:
    """Make a part of the name of an MLflow prompt or of a Label Studio control: ASCII letters, digits, `_`, `-`, `.`.

    >>> registry_key("Topic"), registry_key("C++")
    ('Topic', 'C-f1deb75fa2')
    """
    return _key(name, _NAMED)


def file_key(name: str) -> str:
    """Make the name of a file or folder that every file system takes, one that ignores case among them.

    >>> file_key("topic"), file_key("Topic"), file_key("..")
    ('topic', 'topic-7e61847d61', 'name-5ec1f7e700')
    """
    key = _key(name, _FILED)
    return _hashed(name) if key.split(".")[0] in _DEVICES else key


def _key(name: str, plain: re.Pattern[str]) -> str:
    fits = len(name) <= LONGEST and plain.fullmatch(name) and not _HASHED.fullmatch(name)
    return name if fits else _hashed(name, lower=plain is _FILED)


def _hashed(name: str, *, lower: bool = True) -> str:
    readable = re.sub(r"[^A-Za-z0-9_]+", "-", name)[:_READABLE].strip("-") or "name"
    return f"{readable.lower() if lower else readable}-{text_sha256(name)[:_DIGITS]}"
