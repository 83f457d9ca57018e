"""What is to be erased: ids, names, hashes and captions, and how they are recognised in what is stored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Final

from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.units import content_name
from cu_pipeline.erasure.needles import SHORTEST, Needles

CLIP_FIELDS: Final = frozenset({"clip_id", "clip", "clips", "duplicate_group", "near_duplicate_of", "labels/"})
CREATOR_FIELDS: Final = frozenset({"creator", "author", "uploader", "channel"})
TEXT_FIELDS: Final = frozenset({"text", "raw_text", "caption", "comment", "overlay", "title"})
"""Columns and keys of what people wrote: somebody else's may mention an id or a name, and is theirs all the same."""


@dataclass(frozen=True)
class Identities:
    """Everything that a clip or creator is known by.

    Attributes:
        clips: ids.
        creators: names, as feeds spell them and cleaned.
        media: SHA-256 of files that no other clip has.
        texts: likewise of captions.
        alone: those of `texts` that are all of a clip: it has no media.
        captions: the captions themselves, as feeds have them and cleaned.
        others: further names that stand for one of them alone: paths, addresses, keys of caches, ids of requests.
    """

    clips: frozenset[str] = frozenset()
    creators: frozenset[str] = frozenset()
    media: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    alone: frozenset[str] = frozenset()
    captions: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.clips or self.creators)

    def __or__(self, other: "Identities") -> "Identities":
        return Identities(**{name: getattr(self, name) | getattr(other, name) for name in _NAMES})

    def as_json(self) -> dict[str, list[str]]:
        """Write them for the journal."""
        return {name: sorted(getattr(self, name)) for name in _NAMES}

    @classmethod
    def from_json(cls, record: Mapping[str, Iterable[str]]) -> "Identities":
        """Read what `as_json` wrote."""
        return cls(**{name: frozenset(record[name]) for name in _NAMES})

    @cached_property
    def exact(self) -> frozenset[str]:
        """Values that are one of them, wherever they stand; short ids and names only count in columns of their own."""
        composed = {f"creator:{name}" for name in self.creators} | {f"content:{one}" for one in self.media | self.texts}
        long = {one for one in self.clips | self.creators if len(one.encode()) >= SHORTEST}
        return frozenset(long | self.media | self.texts | self.others | composed)

    @cached_property
    def needles(self) -> Needles:
        """What is looked for inside of texts and files."""
        return Needles(self.exact)

    def touched(self, values: Iterable[str], name: str = "") -> set[str]:
        """Find the values that are, or tell of, what is to be erased.

        Args:
            values: of one column, or of the fields of one name.
            name: of the column or field.
        """
        given = list(dict.fromkeys(values))
        if name in TEXT_FIELDS:
            return {one for one in given if one.strip() in self.captions}
        own = (self.clips if name in CLIP_FIELDS else frozenset()) | (
            self.creators if name in CREATOR_FIELDS else frozenset()
        )
        found = {one for one in given if one in self.exact or one in own}
        left = [one for one in given if one not in found and len(one) >= SHORTEST]
        return found | {left[place] for place in self.needles.rows(left)}


_NAMES: Final = tuple(one.name for one in fields(Identities))


def content_names(media: str, text: str) -> set[str]:
    """What else a clip's content is called: in references and traffic, in bundles and ledgers, and by captures.

    >>> sorted(map(len, content_names("a" * 64, "b" * 64)))
    [16, 64, 129]
    """
    both = content_name(media, text)
    captured = text_sha256(f"{media}/{text or text_sha256('')}")
    return {both, text_sha256(f"{media}/{text}")[:16], captured} if both else set()


def strings_of(value: Any, name: str = "") -> Iterable[tuple[str, str]]:
    """List the strings of a JSON value, each with its key; keys themselves with that of their object and a /."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield f"{name}/", str(key)
            yield from strings_of(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from strings_of(inner, name)
