"""The names of drift tests in plain words."""

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


def plain_name(name: str) -> str:
    """A test's name as words, without the kind that it begins with where that says nothing.

    >>> plain_name("fact_text_length"), plain_name("label_topic"), plain_name("embedding_frames@1a")
    ('text length', 'classes of topic', 'content of frames@1a')
    """
    for start, words in _BEGINNINGS.items():
        if name.startswith(start) and name != start:
            return words + name.removeprefix(start).replace("_", " ")
    return name.replace("_", " ")
