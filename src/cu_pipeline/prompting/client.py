from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Scored:
    """What a language model thinks of some continuations of one prompt.

    Attributes:
        logprobs: natural logarithm of each continuation's probability, in the order they were asked.
        tokens: tokens of the prompt and of all continuations: what the call is billed for.
    """

    logprobs: tuple[float, ...]
    tokens: int


class Client(Protocol):
    """A language model, near or far."""

    @property
    def identity(self) -> str:
        """Model, weights and engine: equal identities give equal answers."""

    def score(self, prompt: str, continuations: Sequence[str], *, shared: str = "") -> Scored:
        """Score `continuations` of `prompt`.

        Args:
            prompt: the text before the continuations, without trailing space.
            continuations: each starts with the space that separates it from the prompt.
            shared: the beginning that this prompt has in common with the calls around it; a hint for
                speed that never changes the answer.
        """

    def close(self) -> None:
        """Give back memory and threads; the client is of no use afterwards."""
