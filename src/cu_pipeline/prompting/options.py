from typing import Literal

from pydantic import Field

from cu_pipeline.core.options import Options

Form = Literal["completion", "chat"]


class ModelOptions(Options):
    """What all clients' options have in common.

    Attributes:
        model: its name.
        price_per_1000_prompt_tokens: US dollars.
        price_per_1000_output_tokens: US dollars, for what the model writes.
    """

    model: str
    price_per_1000_prompt_tokens: float = Field(default=0.0, ge=0)
    price_per_1000_output_tokens: float = Field(default=0.0, ge=0)

    def price(self, tokens: float, output_tokens: float) -> float:
        """Give the price in US dollars of `tokens`, `output_tokens` of which the model wrote.

        >>> PackagedOptions(price_per_1000_prompt_tokens=1.0, price_per_1000_output_tokens=3.0).price(2000, 1000)
        4.0
        """
        prompt = (tokens - output_tokens) * self.price_per_1000_prompt_tokens
        return (prompt + output_tokens * self.price_per_1000_output_tokens) / 1000


class PackagedOptions(ModelOptions):
    """A model inside a Python package, run in this process.

    Attributes:
        model: a key of `core.weights.MODELS`.
        threads: 0: one per core, which is faster on an idle machine and much slower on a busy one. The
            answers do not depend on it.
        context: the longest prompt with its answer, in tokens.
        form: in which the model is let write: it continues the prompt as it stands (`completion`), or answers
            it as a message in its chat format (`chat`). Scores are always of continuations.
    """

    model: str = "smollm2-135m-instruct"
    threads: int = Field(default=1, ge=0)
    context: int = Field(default=4096, ge=256)
    form: Form = "completion"
    price_per_1000_prompt_tokens: float = Field(default=0.0002, ge=0)
    price_per_1000_output_tokens: float = Field(default=0.0002, ge=0)


class ClientOptions(Options):
    """Which language model answers.

    Attributes:
        name: a key of `clients.CLIENTS`; the group of the same name has its options.
        packaged: a model in this process.
    """

    name: Literal["packaged"] = "packaged"
    packaged: PackagedOptions = PackagedOptions()

    @property
    def chosen(self) -> ModelOptions:
        """The options of the client that `name` names."""
        return self.packaged
