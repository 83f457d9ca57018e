from collections.abc import Callable
from typing import Final


def spoken(name: str) -> str:
    """Give a class's name as people write it.

    >>> spoken("science_and_technology")
    'science and technology'
    """
    return " ".join(name.replace("_", " ").split())


FORMS: Final[dict[str, Callable[[str], str]]] = {
    "plain": lambda name: name,
    "title": str.title,
    "hashtag": lambda name: "#" + name.replace(" ", ""),
    "phrase": lambda name: f"a video about {name}",
}
"""How a class is put into words, from its spoken name. The model scores these words, so they matter."""


def worded(name: str, form: str) -> str:
    """Give the words that stand for a class.

    >>> worded("home_made", "hashtag")
    '#homemade'
    """
    return FORMS[form](spoken(name))
