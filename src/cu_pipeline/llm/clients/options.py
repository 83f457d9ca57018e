from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, field_validator, model_validator

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
        """Price `tokens` in US dollars, `output_tokens` of which the model wrote.

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


class OpenAIOptions(ModelOptions):
    """A model behind a server that speaks OpenAI's API: hosted, vLLM, llama.cpp, Ollama.

    Attributes:
        base_url: up to and with `/v1`.
        model: as the server calls it.
        version: of the model's weights, as you know it. With it, all servers of this model and version share
            their cached answers; without it, each `base_url` has its own.
        api_key_env: the environment variable that holds the key; servers that need none ignore it.
        form: in which `generate` asks: `chat`, or `completion` of the prompt as it stands.
        constrain: how the server is held to one of several answers: `json_schema`, `grammar` (llama.cpp only)
            or `none`, where answers that are no class are asked for again.
        score_by: how the server tells the probability of an answer: `echo` (completions with the prompt's
            own log-probabilities: vLLM), `grammar` (llama.cpp) or `top_logprobs` (chat, by the answers'
            first tokens: hosted models).
        extra_body: added to every request; null removes a field.
        concurrency: requests under way at the same time.
        timeout_s: for one request.
        retries: after a request that failed. While one is retried no new one is sent.
        backoff_s: before the first retry; it doubles up to six times, and chance takes off up to half of it.
        longest_wait_s: where a server asks to wait longer, the question stays unanswered.
        give_up_after: questions in a row that got no reply at all; the rest is not asked then.
        requests_per_minute: 0: any number.
        tokens_per_minute: 0: any number.
        budget_usd: for one run; it stops asking before this could be exceeded. None: no limit.
        tokens_per_image: an upper bound, for the budget.
    """

    model: str = ""
    base_url: str = ""
    version: str = ""
    api_key_env: str = Field(default="OPENAI_API_KEY", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    form: Form = "chat"
    constrain: Literal["json_schema", "grammar", "none"] = "json_schema"
    score_by: Literal["echo", "grammar", "top_logprobs"] = "echo"
    extra_body: dict[str, JsonValue] = Field(default={})
    concurrency: int = Field(default=4, ge=1, le=256)
    timeout_s: float = Field(default=60.0, gt=0)
    retries: int = Field(default=6, ge=0)
    backoff_s: float = Field(default=1.0, ge=0)
    longest_wait_s: float = Field(default=120.0, ge=0)
    give_up_after: int = Field(default=3, ge=1)
    requests_per_minute: int = Field(default=0, ge=0)
    tokens_per_minute: int = Field(default=0, ge=0)
    budget_usd: float | None = Field(default=None, ge=0)
    tokens_per_image: int = Field(default=2000, ge=0)

    @field_validator("base_url")
    @classmethod
    def _has_no_secret(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.username or parts.password or parts.query:
            raise ValueError("base_url is kept with a run's parameters: put the key into the variable of api_key_env")
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError(f"{value!r} is no address of a server; write http://HOST:PORT/v1")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _can_keep_the_budget(self) -> Self:
        prices = self.price_per_1000_prompt_tokens, self.price_per_1000_output_tokens
        if self.budget_usd is not None and not any(prices):
            raise ValueError(
                "budget_usd needs price_per_1000_prompt_tokens and price_per_1000_output_tokens to be kept"
            )
        return self


class ClientOptions(Options):
    """Which language model answers.

    Attributes:
        name: a key of `clients.CLIENTS`; the group of the same name has its options.
        packaged: a model in this process.
        openai: a model behind a server.
    """

    name: Literal["packaged", "openai"] = "packaged"
    packaged: PackagedOptions = PackagedOptions()
    openai: OpenAIOptions = OpenAIOptions()

    @property
    def chosen(self) -> ModelOptions:
        """The options of the client that `name` names."""
        return {"packaged": self.packaged, "openai": self.openai}[self.name]

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        missing = [field for field in ("base_url", "model") if not getattr(self.openai, field)]
        if self.name == "openai" and missing:
            raise ValueError(f"client 'openai' needs {' and '.join(f'openai.{field}' for field in missing)}")
        return self
