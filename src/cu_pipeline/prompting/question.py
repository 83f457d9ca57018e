from dataclasses import dataclass

from cu_pipeline.core.hashing import json_sha256


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
