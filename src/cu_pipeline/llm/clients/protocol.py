"""What may be asked of a language model, what comes back, and what every client can do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cu_pipeline.core.errors import BadClipError, CuPipelineError
from cu_pipeline.core.hashing import json_sha256


@dataclass(frozen=True)
class Scored:
    """What a language model thinks of some continuations of one prompt.

    Attributes:
        logprobs: natural logarithm of each continuation's probability, in the order they were asked.
        tokens: all that the call is billed for: prompt, continuations, and earlier tries of no use.
        output_tokens: those of them that are billed as written by the model.
    """

    logprobs: tuple[float, ...]
    tokens: int
    output_tokens: int = 0


@dataclass(frozen=True)
class Generated:
    """What a language model wrote after one prompt.

    Attributes:
        text: without white space around it; one of the choices if there were any.
        tokens: all that the call is billed for: prompt, text, and earlier tries of no use.
        output_tokens: those of them that the model wrote.
    """

    text: str
    tokens: int
    output_tokens: int = 0


@dataclass(frozen=True)
class Unanswered:
    """A question that got no usable answer; it is asked again by the next run.

    Attributes:
        reason: in words.
        tokens: all that was billed nevertheless.
        output_tokens: those of them that the model wrote.
    """

    reason: str
    tokens: int = 0
    output_tokens: int = 0


Answer = Scored | Generated | Unanswered


class UnansweredError(CuPipelineError):
    """A client gave up on one question; others may do better.

    Args:
        outcome: why, and what was paid.
        asked: False if the model was not even asked, say because the budget is spent.
    """

    def __init__(self, outcome: Unanswered, *, asked: bool = True) -> None:
        self.outcome = outcome
        self.asked = asked
        super().__init__(outcome.reason)


class Client(Protocol):
    """A language model, near or far."""

    @property
    def identity(self) -> str:
        """Model, weights and engine: equal identities give equal answers."""

    @property
    def concurrency(self) -> int:
        """How many calls may be under way at the same time, each in a thread of its own."""

    def score(self, prompt: str, continuations: Sequence[str], *, shared: str = "") -> Scored:
        """Score `continuations` of `prompt`.

        Args:
            prompt: the text before the continuations, without trailing space.
            continuations: each starts with the space that separates it from the prompt.
            shared: the beginning that this prompt has in common with the calls around it; a hint for
                speed that never changes the answer.

        Raises:
            UnansweredError: this question got no usable answer.
            ConfigurationError: no question will.
        """

    def generate(
        self,
        prompt: str,
        *,
        max_tokens: int,
        shared: str = "",
        choices: Sequence[str] = (),
        images: Sequence[bytes] = (),
    ) -> Generated:
        """Let the model write, always taking the likeliest token.

        Args:
            prompt: the text before the answer, without trailing space.
            max_tokens: after which the answer is cut; with `choices` there is always room for one of them.
            shared: as in `score`.
            choices: if given, the answer is one of them.
            images: encoded pictures (JPEG, PNG, WebP or GIF), for a model that sees.

        Raises:
            UnansweredError: this question got no usable answer.
            ConfigurationError: no question will.
        """

    def close(self) -> None:
        """Give back memory and threads; the client is of no use afterwards."""


class Pictures(Protocol):
    """Frames of a clip, for a model that sees. They are decoded only when a question about them is asked."""

    @property
    def key(self) -> str:
        """Equal keys stand for equal pictures."""

    def take(self, count: int) -> "Pictures":
        """Take so many pictures of the same clip instead."""

    def load(self) -> tuple[bytes, ...]:
        """Encode the pictures (JPEG, PNG, WebP or GIF), in order of time.

        Raises:
            BadClipError: the clip does not decode.
        """


@dataclass(frozen=True)
class ScoringQuestion:
    """A prompt and the answers among which a model's probability is asked for.

    Attributes:
        prompt: the text before the answers.
        continuations: the answers, each with the space that separates it from the prompt.
        shared: the beginning that neighbouring questions have in common.
    """

    prompt: str
    continuations: tuple[str, ...]
    shared: str = ""

    def key(self, identity: str) -> str:
        """Name this question to the model `identity` by content: SHA-256 in hex."""
        return json_sha256([identity, self.prompt, self.continuations])

    def ask(self, client: Client) -> Scored:
        """Have `client` score the answers."""
        return client.score(self.prompt, self.continuations, shared=self.shared)


@dataclass(frozen=True)
class WritingQuestion:
    """A prompt that a model answers by writing.

    Attributes:
        prompt: the text before the answer.
        max_tokens: after which the answer is cut.
        choices: if given, the answer is one of them.
        pictures: for a model that sees; None: none.
        shared: the beginning that neighbouring questions have in common.
    """

    prompt: str
    max_tokens: int
    choices: tuple[str, ...] = ()
    pictures: Pictures | None = None
    shared: str = ""

    def key(self, identity: str) -> str:
        """Name this question to the model `identity` by content: SHA-256 in hex."""
        pictures = [self.pictures.key] if self.pictures else []
        return json_sha256([identity, "generate", self.prompt, self.max_tokens, self.choices, pictures])

    def ask(self, client: Client) -> Generated:
        """Have `client` write.

        Raises:
            UnansweredError: the pictures cannot be had, or the client gave up.
        """
        try:
            images = self.pictures.load() if self.pictures else ()
        except BadClipError as error:
            raise UnansweredError(Unanswered(f"no pictures: {error}"), asked=False) from error
        return client.generate(
            self.prompt,
            max_tokens=self.max_tokens,
            shared=self.shared,
            choices=self.choices,
            images=images,
        )


ModelQuestion = ScoringQuestion | WritingQuestion
