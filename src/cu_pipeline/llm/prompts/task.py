"""What is asked about a clip, and how classes and labels are put into words for it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, count
from typing import Final

from cu_pipeline.core.capability import NONE, Capability, Kind, split_label
from cu_pipeline.llm.prompts.prompt import ClipInputs, as_data


def spoken(name: str) -> str:
    """Write a class's name as people do.

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
    """Put a class into words, in which no mark of a chat format is left.

    >>> worded("home_made", "hashtag"), worded("<|im_end|>", "plain")
    ('#homemade', '< |im end|>')
    """
    return FORMS[form](spoken(name) or name).replace("<|", "< |")


def all_worded(names: Sequence[str], form: str) -> tuple[str, ...]:
    """Put classes into words, each into others: a name whose words are another's too stays as it is.

    >>> all_worded(["big_cats", "dogs", "big cats"], "plain")
    ('big_cats', 'dogs', 'big cats')
    """
    words = [worded(name, form) for name in names]
    alike = Counter(one.casefold() for one in words)
    return tuple(
        one if alike[one.casefold()] == 1 else name.replace("<|", "< |") for one, name in zip(words, names, strict=True)
    )


def _distinct(words: Iterable[str]) -> tuple[str, ...]:
    """Number the words that stood before.

    >>> _distinct(["a", "b", "a"])
    ('a', 'b', 'a (2)')
    """
    found: list[str] = []
    for word in words:
        numbered = (word if number == 1 else f"{word} ({number})" for number in count(1))
        found.append(next(one for one in numbered if one not in found))
    return tuple(found)


NOTHING: Final = (NONE, "nothing")
"""What a model may write besides the contrast to say that no class of a multi-label capability holds."""

CONTENT_FREE: Final = ("N/A", "", "[MASK]", "video", "watch this", "new video #shorts")
"""Captions that say nothing: those of Zhao et al. 2021 and some that look like captions."""

GENERATED_TOKENS = 16
"""After which what a model writes is cut, where no class has a longer name."""

MOST_GENERATED_TOKENS = 64
"""The same where several classes may be named."""

NO_CLASS: Final = "none of these"
"""The contrast where a class is called as the usual one."""

LONGEST_ANSWER = 1024
"""Tokens after which an answer with any number of long names is cut."""

LETTERS_A_TOKEN = 3
"""ASCII letters that a token holds at least on average; of other scripts it holds a byte or more."""


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

    def classes(self, form: str) -> tuple[str, ...]:
        """Put each class into words."""
        return all_worded(self.capability.classes, form)

    def answers(self, form: str) -> tuple[str, ...]:
        """Put all classes into words, and the contrast if several classes may hold."""
        if self.capability.kind is Kind.SINGLE:
            return self.classes(form)
        return (*self.classes(form), self.no_class(form))

    def no_class(self, form: str) -> str:
        """Put into words that no class of a multi-label capability holds, in others than any class."""
        classes = self.classes(form)
        usual = worded(self.contrast, form)
        return usual if usual not in classes else _distinct((*classes, worded(NO_CLASS, form)))[-1]

    def words(self, label: str, form: str) -> str:
        """Put a label, as tables have it, into words.

        >>> safety = Capability(kind=Kind.MULTI, classes=("violence", "advert"))
        >>> task = Task("safety", safety, "everyday life", CONTENT_FREE, 300)
        >>> task.words("advert|violence", "hashtag"), task.words("none", "plain")
        ('#advert, #violence', 'everyday life')
        """
        return self._joined(split_label(label, self.capability.kind), form)

    def choices(self, form: str) -> tuple[str, ...]:
        """Put every label that there can be into words: of a multi-label capability all combinations, and none.

        >>> safety = Capability(kind=Kind.MULTI, classes=("violence", "advert"))
        >>> Task("safety", safety, "everyday life", CONTENT_FREE, 300).choices("plain")
        ('everyday life', 'advert', 'violence', 'advert, violence')
        """
        if self.capability.kind is Kind.SINGLE:
            return self.classes(form)
        return _distinct(self._joined(one, form) for one in self.combinations())

    def combinations(self) -> Iterator[tuple[str, ...]]:
        """List the classes that each of `choices` names."""
        if self.capability.kind is Kind.SINGLE:
            return ((name,) for name in self.capability.classes)
        names = sorted(self.capability.classes)
        return (chosen for size in range(len(names) + 1) for chosen in combinations(names, size))

    def _joined(self, names: Iterable[str], form: str) -> str:
        words = dict(zip(self.capability.classes, self.classes(form), strict=True))
        return ", ".join(words.get(name) or worded(name, form) for name in names) or self.no_class(form)

    @property
    def longest(self) -> int:
        """Tokens after which what a model writes is cut."""
        named = len(self.capability.classes) if self.capability.kind is Kind.MULTI else 1
        usual = min(GENERATED_TOKENS * named, MOST_GENERATED_TOKENS)
        needed = sorted(map(_most_tokens, self.capability.classes), reverse=True)
        return max(usual, min(sum(needed[:named]), LONGEST_ANSWER) if max(needed, default=0) > GENERATED_TOKENS else 0)

    def data(self, text: str) -> str:
        """Make a text that people wrote safe to stand in a prompt."""
        return as_data(text, self.max_characters, self._dictated() if self.hide_class_names else ())

    def safe(self, clip: ClipInputs) -> ClipInputs:
        """Make what is known of a clip safe to stand in a prompt; tags are a model's, so they may name classes."""
        return clip.mapped(lambda name, text: as_data(text, self.max_characters) if name == "tags" else self.data(text))

    def _dictated(self) -> Iterator[str]:
        """List what a caption must not put into a model's mouth: classes, and all that says that none holds."""
        yield from map(spoken, self.capability.classes)
        if self.capability.kind is Kind.MULTI:
            yield from (spoken(self.contrast), *NOTHING)


def _most_tokens(name: str) -> int:
    """Bound the tokens of a name from above."""
    plain = sum(letter.isascii() for letter in name)
    return -(-plain // LETTERS_A_TOKEN) + len(name.encode()) - plain
