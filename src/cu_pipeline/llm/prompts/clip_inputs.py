from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final, Protocol


class Pictures(Protocol):
    """Frames of a clip, for a model that sees. They are decoded only when a question about them is asked."""

    @property
    def key(self) -> str:
        """Equal keys stand for equal pictures."""

    def take(self, count: int) -> "Pictures":
        """Give so many pictures of the same clip instead."""

    def load(self) -> tuple[bytes, ...]:
        """Give encoded pictures (JPEG, PNG, WebP or GIF), in order of time.

        Raises:
            BadClipError: the clip does not decode.
        """


@dataclass(frozen=True)
class ClipInputs:
    """What a prompt may be told of one clip; "" where it is not known.

    Attributes:
        text: its caption.
        lang: its language.
        screen_text: what is written in its frames.
        tags: what its frames show.
        transcript: what is said in it.
        pictures: frames; None: there are none.
    """

    text: str = ""
    lang: str = ""
    screen_text: str = ""
    tags: str = ""
    transcript: str = ""
    pictures: Pictures | None = None

    @property
    def words(self) -> dict[str, str]:
        """Give the texts by the names that prompts use."""
        return {name: getattr(self, name) for name in WORDS}

    def mapped(self, change: Callable[[str, str], str]) -> "ClipInputs":
        """Change each text, given its name and itself."""
        changed = {name: change(name, text) for name, text in self.words.items()}
        return ClipInputs(**changed, pictures=self.pictures)


WORDS: Final = tuple(one.name for one in fields(ClipInputs) if one.name != "pictures")
"""Names by which a prompt may be told something of a clip."""
