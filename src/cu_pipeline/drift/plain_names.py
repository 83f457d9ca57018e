"""The names of drift tests in plain words."""

from collections.abc import Collection
from typing import Final

_BEGINNINGS: Final = {
    "fact_": "",
    "label_": "classes of ",
    "confidence_": "confidence of ",
    "embedding_": "content of ",
    "novelty_": "novelty of ",
    "missing_": "missing ",
    "abstained_": "abstentions of ",
}

_OF_ANSWERS: Final = ("label_", "confidence_", "abstained_", "abstention_")
"""Beginnings of tests on answers, whose names end with the capability that they are about."""


def plain_name(name: str, capabilities: Collection[str] = ()) -> str:
    """A test's name as words, without the kind that it begins with where that says nothing.

    Args:
        name: of the test.
        capabilities: those whose own clips tests may be about, which their names end with then.

    >>> plain_name("fact_text_length"), plain_name("label_topic"), plain_name("embedding_frames@1a")
    ('text length', 'classes of topic', 'content of frames@1a')
    >>> plain_name("embedding_frames_topic", ["topic"]), plain_name("label_topic", ["topic"])
    ('content of frames (for topic)', 'classes of topic')
    """
    tested, capability = of_capability(name, capabilities)
    return f"{_words(tested)} (for {capability})" if capability else _words(tested)


def of_capability(name: str, capabilities: Collection[str]) -> tuple[str, str]:
    """Split a test's name into what was tested and the capability whose clips it was held against; "": all.

    >>> of_capability("fact_bytes_topic", ["topic"]), of_capability("fact_bytes", ["topic"])
    (('fact_bytes', 'topic'), ('fact_bytes', ''))
    """
    for capability in sorted(capabilities, key=len, reverse=True):
        if name.endswith(f"_{capability}") and not name.startswith(_OF_ANSWERS):
            return name.removesuffix(f"_{capability}"), capability
    return name, ""


def _words(name: str) -> str:
    for start, words in _BEGINNINGS.items():
        if name.startswith(start) and name != start:
            return words + name.removeprefix(start).replace("_", " ")
    return name.replace("_", " ")
