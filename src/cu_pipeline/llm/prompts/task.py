"""What is asked about a clip, and how classes and labels are put into words for it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from cu_pipeline.core.capability import NONE, Capability, Kind, split_label
from cu_pipeline.llm.prompts.prompt import ClipInputs, as_data


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


NOTHING: Final = (NONE, "nothing")
"""What a model may write besides the contrast to say that no class of a multi-label capability holds."""

BETWEEN: Final = ", "
"""Stands between the words of the classes that hold at once."""


def class_words(capability: Capability, form: str) -> tuple[str, ...]:
    """Give the words for each class."""
    return tuple(worded(name, form) for name in capability.classes)


def label_words(label: str, capability: Capability, contrast: str, form: str) -> str:
    """Give the words for a label.

    Args:
        label: as tables have it.
        capability: whose label it is.
        contrast: stands for no class of a multi-label capability.
        form: how a class is put into words, a key of `FORMS`.

    >>> safety = Capability(kind=Kind.MULTI, classes=("violence", "advert"))
    >>> label_words("advert|violence", safety, "everyday life", "hashtag")
    '#advert, #violence'
    >>> label_words("none", safety, "everyday life", "plain")
    'everyday life'
    """
    named = split_label(label, capability.kind)
    return BETWEEN.join(worded(name, form) for name in named) or worded(contrast, form)


def label_choices(capability: Capability, contrast: str, form: str) -> tuple[str, ...]:
    """Give the words for every label there can be: of a multi-label capability all combinations of classes, and none.

    >>> label_choices(Capability(kind=Kind.MULTI, classes=("violence", "advert")), "everyday life", "plain")
    ('everyday life', 'advert', 'violence', 'advert, violence')
    """
    if capability.kind is Kind.SINGLE:
        return class_words(capability, form)
    names = sorted(capability.classes)
    chosen = (some for size in range(len(names) + 1) for some in combinations(names, size))
    return tuple(BETWEEN.join(worded(name, form) for name in some) or worded(contrast, form) for some in chosen)


def dictated(capability: Capability, contrast: str) -> Iterator[str]:
    """Give what a caption must not put into a model's mouth: the classes' names, and all that says that none holds."""
    yield from map(spoken, capability.classes)
    if capability.kind is Kind.MULTI:
        yield from (spoken(contrast), *NOTHING)


CONTENT_FREE: Final = ("N/A", "", "[MASK]", "video", "watch this", "new video #shorts")
"""Captions that say nothing: those of Zhao et al. 2021 and some that look like captions."""

GENERATED_TOKENS = 16
"""After which what a model writes is cut: longer than any class's name."""

MOST_GENERATED_TOKENS = 64
"""The same where several classes may be named."""


@dataclass(frozen=True)
class Task:
    """What is asked of each caption.

    Attributes:
        name: of the capability.
        capability: with its classes.
        contrast: the answer that a class of a multi-label capability is weighed against; stands for no class.
        content_free: captions that say nothing, to calibrate by.
        max_characters: to which captions are cut.
        hide_class_names: whether the classes' names in captions, and words that say that no class holds, are hidden
            from the model, so that a caption cannot dictate its label.
    """

    name: str
    capability: Capability
    contrast: str
    content_free: tuple[str, ...]
    max_characters: int
    hide_class_names: bool = False

    def answers(self, form: str) -> tuple[str, ...]:
        """Give the words of all classes, and of the contrast if several classes may hold."""
        contrast = (worded(self.contrast, form),) if self.capability.kind is Kind.MULTI else ()
        return (*class_words(self.capability, form), *contrast)

    def words(self, label: str, form: str) -> str:
        """Give the words for a label."""
        return label_words(label, self.capability, self.contrast, form)

    def choices(self, form: str) -> tuple[str, ...]:
        """Give the words for every label there can be."""
        return label_choices(self.capability, self.contrast, form)

    @property
    def longest(self) -> int:
        """Give after how many tokens what a model writes is cut."""
        named = len(self.capability.classes) if self.capability.kind is Kind.MULTI else 1
        return min(GENERATED_TOKENS * named, MOST_GENERATED_TOKENS)

    def data(self, text: str) -> str:
        """Make a text that people wrote safe to stand in a prompt."""
        hidden = dictated(self.capability, self.contrast) if self.hide_class_names else ()
        return as_data(text, self.max_characters, hidden)

    def safe(self, clip: ClipInputs) -> ClipInputs:
        """Make what is known of a clip safe to stand in a prompt; tags are a model's, so they may name classes."""
        return clip.mapped(lambda name, text: as_data(text, self.max_characters) if name == "tags" else self.data(text))
