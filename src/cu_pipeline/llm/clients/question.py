from dataclasses import dataclass

from cu_pipeline.core.errors import BadClipError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.llm.clients.protocol import Client, Generated, Scored, Unanswered, UnansweredError
from cu_pipeline.llm.prompts.clip_inputs import Pictures


@dataclass(frozen=True)
class Question:
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
        """Give the content key of this question to the model `identity`: SHA-256 in hex."""
        return json_sha256([identity, self.prompt, self.continuations])

    def ask(self, client: Client) -> Scored:
        """Have `client` score the answers."""
        return client.score(self.prompt, self.continuations, shared=self.shared)


@dataclass(frozen=True)
class OpenQuestion:
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
        """Give the content key of this question to the model `identity`: SHA-256 in hex."""
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


AnyQuestion = Question | OpenQuestion
