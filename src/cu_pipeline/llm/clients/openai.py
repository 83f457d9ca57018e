import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.hashing import json_sha256, text_sha256
from cu_pipeline.llm.clients.formats import answer_format, chat_request, json_schema, room_for, token_grammar
from cu_pipeline.llm.clients.options import ClientOptions
from cu_pipeline.llm.clients.pacing import Costs, Usage
from cu_pipeline.llm.clients.protocol import Generated, Scored
from cu_pipeline.llm.clients.replies import SCORERS, Send, choose_split, field, items, text_of, tokens_of, written
from cu_pipeline.llm.clients.retries import Retrier
from cu_pipeline.llm.clients.wire import UNBILLED, Wire

_OVERHEAD: Final = 256
"""Tokens that a server may add to a prompt: roles, marks of its chat format."""


class OpenAIClient:
    """A model behind a server that speaks OpenAI's API.

    Args:
        options: where and how.

    Raises:
        ConfigurationError: the package `openai` is not installed.
    """

    def __init__(self, options: ClientOptions) -> None:
        self.identity = openai_identity(options)
        self.concurrency = options.openai.concurrency
        self._options = options.openai
        self._wire = Wire(options.openai)
        self._retrier = Retrier(options.openai, self._wire)
        self._token_ids: dict[str, Any] = {}

    def close(self) -> None:
        """Send nothing more and drop all connections."""
        self._retrier.stop()
        self._wire.close()

    def score(self, prompt: str, continuations: Sequence[str], *, shared: str = "") -> Scored:  # noqa: ARG002 - a hint
        """Ask how likely each continuation is, in the way that `score_by` names.

        Raises:
            UnansweredError: this question got no usable answer.
            ConfigurationError: the server does not offer what `score_by` needs.
        """
        costs = Costs()
        logprobs = SCORERS[self._options.score_by](self._sender(costs), prompt, continuations)
        return Scored(logprobs, costs.tokens, costs.output_tokens)

    def generate(
        self,
        prompt: str,
        *,
        max_tokens: int,
        shared: str = "",  # noqa: ARG002 - a hint
        choices: Sequence[str] = (),
        images: Sequence[bytes] = (),
    ) -> Generated:
        """Let the model write, in the form that `form` names.

        Raises:
            UnansweredError: this question got no usable answer, say none of the choices.
            ConfigurationError: no question will get one.
        """
        costs, form = Costs(), self._options.form
        send = self._sender(costs)
        request = _request(form, prompt, room_for(choices, max_tokens), images)
        if choices and self._options.constrain == "grammar":
            ends = [tokens_of(send, _LEADS[form] + one) for one in choices]
            if not all(end.whole for end in ends):
                place = choose_split(send, request.get("messages", ()), prompt, ends)
                return Generated(choices[place], costs.tokens, costs.output_tokens)
            request["grammar"] = token_grammar([end.ids for end in ends])
        elif choices and self._options.constrain == "json_schema":
            request |= answer_format(choices) if form == "chat" else {"json_schema": json_schema(choices)}
        endpoint, text = _FORMS[form]
        return Generated(
            send(endpoint, request, lambda body: written(text(body), choices), ""), costs.tokens, costs.output_tokens
        )

    def _sender(self, costs: Costs) -> Send:
        def send(endpoint: str, request: Mapping[str, Any], read: Callable[[dict[str, Any]], Any], remedy: str) -> Any:
            if endpoint not in UNBILLED:
                return self._retrier.ask((endpoint, request, self._most(request)), read, costs, remedy)
            if request.get("parse_special", True):
                return self._retrier.ask((endpoint, request, Usage(0, 0)), read, costs, remedy)
            text = request["content"]  # an answer's, asked for with every question
            if text not in self._token_ids:
                self._token_ids[text] = self._retrier.ask((endpoint, request, Usage(0, 0)), read, costs, remedy)
            return self._token_ids[text]

        return send

    def _most(self, request: Mapping[str, Any]) -> Usage:
        """Bound the tokens that a request can cost: no token is shorter than a byte."""
        given = request.get("prompt", "")
        prompts = max(1, sum(isinstance(one, str) for one in given)) if isinstance(given, list) else 1
        sent = json.dumps(request, ensure_ascii=False, default=str).encode("utf-8", "replace")
        pictures = [part for part in _parts(request) if part["type"] == "image_url"]
        encoded = sum(len(part["image_url"]["url"]) for part in pictures)
        extra = [self._options.extra_body.get(name) for name in ("max_tokens", "max_completion_tokens")]
        output = max([request["max_tokens"], *(one for one in extra if isinstance(one, int))])
        text = len(sent) - encoded + _OVERHEAD * prompts
        return Usage(text + len(pictures) * self._options.tokens_per_image, output * prompts)


def openai_identity(options: ClientOptions) -> str:
    """Name a model behind a server without asking it.

    It holds neither key nor address: a hash of the address, where no `version` is stated.
    """
    mine = options.openai
    version = mine.version or "at-" + text_sha256(mine.base_url)[:12]
    extra = f" {json_sha256(mine.extra_body)[:12]}" if mine.extra_body else ""
    return f"{mine.model}@{version} openai {mine.form} {mine.constrain} {mine.score_by}{extra}"


def _request(form: str, prompt: str, max_tokens: int, images: Sequence[bytes]) -> dict[str, Any]:
    if form == "chat":
        return chat_request(prompt, max_tokens, images)
    if images:
        raise ConfigurationError("form 'completion' takes no images: set the client's form to chat")
    return {"prompt": prompt, "max_tokens": max_tokens, "temperature": 0}


def _parts(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    contents = [message["content"] for message in request.get("messages", [])]
    return [part for content in contents if isinstance(content, list) for part in content]


_FORMS: Final[dict[str, tuple[str, Callable[[dict[str, Any]], str]]]] = {
    "chat": ("chat", lambda body: text_of(field(items(body, "choices")[0], "message"), "content")),
    "completion": ("completions", lambda body: text_of(items(body, "choices")[0], "text")),
}
"""Form -> endpoint, and what the model wrote in its reply."""


_LEADS: Final = {"chat": "", "completion": " "}
"""Form -> what stands before an answer."""
