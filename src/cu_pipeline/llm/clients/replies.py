"""Taking texts and probabilities out of a server's replies, which may be anything."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from cu_pipeline.llm.clients.formats import chat_request, pick, token_grammar
from cu_pipeline.llm.clients.retries import UnusableError
from cu_pipeline.llm.clients.split_letters import (
    ANCHORS,
    STOP,
    Step,
    Tokens,
    likeliest,
    read_tokens,
    sequence_logprobs,
    tokens_request,
)


def field(record: Any, name: str) -> Any:
    """Take a field that must be there."""
    if not isinstance(record, Mapping) or record.get(name) is None:
        raise UnusableError(f"the reply has no {name}")
    return record[name]


def items(record: Any, name: str) -> list[Any]:
    """Take a field that must be a list with something in it."""
    found = field(record, name)
    if not isinstance(found, list) or not found:
        raise UnusableError(f"the reply has no list of {name}")
    return found


def text_of(record: Any, name: str) -> str:
    """Take a field that must be a text."""
    found = field(record, name)
    if not isinstance(found, str):
        raise UnusableError(f"the reply's {name} is no text")
    return found


def written(text: str, choices: Sequence[str]) -> str:
    """Take what a model wrote, or the choice in it if there are choices."""
    if not choices:
        return text.strip()
    try:
        return pick(text, choices)
    except ValueError as error:
        raise UnusableError(str(error)) from error


def total(logprobs: Sequence[Any]) -> float:
    """Add log-probabilities up."""
    if not all(isinstance(one, int | float) and not isinstance(one, bool) and one <= 1e-6 for one in logprobs):
        raise UnusableError("the reply's log-probabilities are none")
    return math.fsum(logprobs)


_TOP: Final = 20
_ELSE: Final = "choose another score_by (echo, grammar, top_logprobs) or a method that generates"
_NO_GRAMMARS: Final = f"The server offers no grammars over tokens, which llama.cpp does: {_ELSE}"
_BROKEN: Final = "\ufffd"


class Send(Protocol):
    """Sends one request and gives what `read` takes out of the reply."""

    def __call__(self, endpoint: str, request: Mapping[str, Any], read: Any, remedy: str) -> Any:
        """Raise what `Retrier.ask` raises."""


def by_echo(send: Send, prompt: str, continuations: Sequence[str]) -> tuple[float, ...]:
    """Have the server read prompt and answer and report every token's log-probability (vLLM; one request)."""
    texts = [prompt + one for one in continuations]

    def read(body: dict[str, Any]) -> tuple[float, ...]:
        choices = sorted(items(body, "choices"), key=lambda choice: field(choice, "index"))
        if [field(one, "text") for one in choices] != texts:
            raise UnusableError("the reply does not repeat the prompts")
        return tuple(_sum_of_end(one, end) for one, end in zip(choices, continuations, strict=True))

    request = {"prompt": texts, "max_tokens": 0, "echo": True, "logprobs": 1, "temperature": 0}
    return send("completions", request, read, f"The server offers no log-probabilities of a prompt (echo): {_ELSE}")


def _sum_of_end(choice: Mapping[str, Any], end: str) -> float:
    logprobs = field(choice, "logprobs")
    pieces, values = [str(one) for one in items(logprobs, "tokens")], items(logprobs, "token_logprobs")
    start = next((place for place in range(len(pieces) - 1, -1, -1) if _spells("".join(pieces[place:]), end)), None)
    if start is None:
        raise UnusableError(f"the tokens of {end!r} cannot be told from the prompt's")
    while start and not pieces[start - 1]:
        start -= 1  # of a letter that several tokens make up, some servers give all text to the last
    return total(values[start:])


def _spells(shown: str, text: str) -> bool:
    """Whether tokens are shown as `text`, with U+FFFD for each that ends within a letter."""
    if _BROKEN not in shown or shown[0] != text[0]:  # the blank before an answer is no part of a letter
        return shown == text
    return bool(re.fullmatch(re.sub(f"{_BROKEN}+", lambda run: f".{{1,{len(run[0])}}}", re.escape(shown)), text))


def by_grammar(send: Send, prompt: str, continuations: Sequence[str]) -> tuple[float, ...]:
    """Let llama.cpp write each answer, held to the answer's own tokens (one request an answer).

    Answers whose tokens split letters are scored token by token.
    """
    answers = [tokens_of(send, one) for one in continuations]
    if all(answer.whole for answer in answers):
        return tuple(
            _held_to(send, prompt, answer.ids, text) for answer, text in zip(answers, continuations, strict=True)
        )
    start = tokens_of(send, prompt, special=True).ids
    return sequence_logprobs(one_step(send), start, [answer.ids for answer in answers], _anchors(send))


def _held_to(send: Send, prompt: str, ids: list[int], text: str) -> float:
    def read(body: dict[str, Any]) -> float:
        steps = items(field(items(body, "choices")[0], "logprobs"), "content")
        if [field(step, "id") for step in steps[: len(ids)]] != ids:
            raise UnusableError(f"the reply is not held to {text!r}")
        return total([field(step, "logprob") for step in steps[: len(ids)]])

    held = {"grammar": token_grammar([ids]), "max_tokens": len(ids), "logprobs": 1}
    return send("completions", {"prompt": prompt, "temperature": 0, **held}, read, _NO_GRAMMARS)


def one_step(send: Send) -> Step:
    """Have llama.cpp write one token behind `send`."""

    def step(prompt: list[int], **request: object) -> Mapping[str, Any]:
        def read(body: dict[str, Any]) -> Mapping[str, Any]:
            reported = items(field(items(body, "choices")[0], "logprobs"), "content")[0]
            field(reported, "top_probs" if "post_sampling_probs" in request else "logprob")
            return reported

        return send("completions", {"prompt": prompt, "max_tokens": 1, **request}, read, _NO_GRAMMARS)

    return step


def choose_split(send: Send, messages: Sequence[Mapping[str, Any]], prompt: str, ends: Sequence[Tokens]) -> int:
    """Let llama.cpp write one of several answers whose tokens split letters, and give its place.

    Args:
        send: sends a request.
        messages: of a chat; none: `prompt` is continued.
        prompt: used where there are no messages.
        ends: tokens of the answers.
    """
    if messages:
        prompt = send("apply-template", {"messages": messages}, lambda body: text_of(body, "prompt"), _NO_GRAMMARS)
    start = tokens_of(send, prompt, special=True).ids
    stop = tokens_of(send, STOP).ids[0]
    return likeliest(one_step(send), start, [end.ids for end in ends], _anchors(send), stop)


def _anchors(send: Send) -> list[int]:
    return [tokens_of(send, text).ids[0] for text in ANCHORS]


def tokens_of(send: Send, text: str, *, special: bool = False) -> Tokens:
    """Ask for a text's tokens, which llama.cpp tells."""

    def read(body: dict[str, Any]) -> Tokens:
        found = read_tokens({"tokens": items(body, "tokens")})
        if not all(isinstance(one, int) for one in found.ids):
            raise UnusableError(f"the reply has no tokens of {text!r}")
        return found

    remedy = "The server does not tell tokens, which llama.cpp does: choose another score_by or constrain"
    return send("tokenize", tokens_request(text, special=special), read, remedy)


def by_top_logprobs(send: Send, prompt: str, continuations: Sequence[str]) -> tuple[float, ...]:
    """Read the answers' chances off the 20 likeliest first tokens of a chat's answer (one request).

    An answer's probability is that of all tokens it begins with. One that is not among the 20 gets the
    least probability among them, which its own does not exceed.
    """
    remedy = f"The server offers no top_logprobs, or the answers begin alike: {_ELSE}"

    def read(body: dict[str, Any]) -> tuple[float, ...]:
        steps = items(field(items(body, "choices")[0], "logprobs"), "content")
        return _by_first_token(items(steps[0], "top_logprobs"), continuations)

    request = chat_request(prompt, max_tokens=1) | {"logprobs": True, "top_logprobs": _TOP}
    return send("chat", request, read, remedy)


def _by_first_token(top: Sequence[Mapping[str, Any]], continuations: Sequence[str]) -> tuple[float, ...]:
    found = [0.0] * len(continuations)
    shared = 0.0
    chances = [math.exp(total([field(one, "logprob")])) for one in top]
    for one, chance in zip(top, chances, strict=True):
        begun = [place for place, answer in enumerate(continuations) if _begins(answer.strip(), one)]
        if len(begun) == 1:
            found[begun[0]] += chance
        elif begun:
            shared += chance
    if shared > sum(found) / 100:
        raise UnusableError("answers begin with the same token")
    if not any(found):
        raise UnusableError("none of the answers begins with one of the likeliest tokens")
    least = min(chances)
    return tuple(math.log(one or max(least, 1e-45)) for one in found)


def _begins(answer: str, token: Mapping[str, Any]) -> bool:
    """Whether an answer begins with a token, which may end within a letter; capitals do not matter."""
    text = str(field(token, "token"))
    if _BROKEN in text and isinstance(token.get("bytes"), list):
        raw = bytes(token["bytes"]).strip()
        return bool(raw) and answer.encode().startswith(raw)
    start = text.strip().casefold()
    return bool(start) and answer.casefold().startswith(start)


SCORERS: Final = {"echo": by_echo, "grammar": by_grammar, "top_logprobs": by_top_logprobs}
"""How `score` is done, by the option `score_by`."""
