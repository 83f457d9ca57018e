import json
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import urlsplit

from cu_pipeline.compute.worker_pool import usable_cores
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.weights import MODELS, weights_path
from cu_pipeline.llm.clients.formats import answer_format, chat_request, pick, room_for, token_grammar
from cu_pipeline.llm.clients.options import ClientOptions, PackagedOptions
from cu_pipeline.llm.clients.protocol import Generated, Scored, Unanswered, UnansweredError
from cu_pipeline.llm.clients.split_letters import (
    ANCHORS,
    FORCE,
    STOP,
    Tokens,
    as_json,
    likeliest,
    read_tokens,
    sequence_logprobs,
    tokens_request,
)

_MOST_ENGINES: Final = 4
"""Each takes some 250 MB."""


def start_engine(options: PackagedOptions, **settings: object) -> Any:
    """Start llama.cpp with a packaged model; it also listens for HTTP on `listening_address`.

    Args:
        options: which model, and how much of the machine it may use.
        settings: further attributes of `xllamacpp.CommonParams`, such as `port`.

    Returns:
        An `xllamacpp.Server`, which runs until nothing refers to it.

    Raises:
        MissingWeightsError: the model's package is absent or damaged.
        ConfigurationError: llama.cpp does not start.
    """
    import xllamacpp

    path = str(weights_path(options.model))
    try:
        return xllamacpp.Server(_parameters(path, options, settings))
    except (RuntimeError, ValueError, TypeError, OverflowError, OSError, MemoryError) as error:
        asked = ", ".join(f"{name}={value}" for name, value in {"context": options.context, **settings}.items())
        why = str(error).rstrip(".")
        raise ConfigurationError(
            f"llama.cpp does not start with the model {options.model!r} ({asked}): {why}. Give a context that fits "
            "into memory (4096 by default), and a port that nobody uses (0: any free one)"
        ) from error


def _parameters(path: str, options: PackagedOptions, settings: Mapping[str, object]) -> Any:
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.n_ctx = options.context
    parameters.cpuparams.n_threads = options.threads or usable_cores()
    parameters.cpuparams_batch.n_threads = parameters.cpuparams.n_threads
    parameters.cache_ram_mib = 0
    parameters.warmup = False
    parameters.ui = False
    parameters.verbosity = -1
    for name, value in settings.items():
        setattr(parameters, name, value)
    return parameters


class PackagedClient:
    """A model that ships in a Python package, run in this process by llama.cpp.

    An answer depends on prompt and continuations alone, not on what was asked before or on the number of
    threads: the prompt is always evaluated in the same two pieces, `shared` and the rest.

    Args:
        options: which model, and how much of the machine it may use.

    Raises:
        MissingWeightsError: the model's package is absent or damaged.
    """

    concurrency = 1

    def __init__(self, options: ClientOptions) -> None:
        self.identity = packaged_identity(options)
        self._options = options.packaged
        self._server: Any = start_engine(options.packaged)
        self._address = urlsplit(self._server.listening_address).netloc
        self._start: list[int] = []
        self._shared: list[int] = []

    def close(self) -> None:
        """Stop the engine's threads and free its memory."""
        self._server = None

    def score(self, prompt: str, continuations: Sequence[str], *, shared: str = "") -> Scored:
        """Sum each continuation's token log-probabilities under the model.

        Raises:
            ConfigurationError: prompt and continuation are longer than the model's context.
        """
        start = self._tokens(prompt)
        answers = [self._answer_tokens(continuation) for continuation in continuations]
        ends = [answer.ids for answer in answers]
        self._check_length(start, max(map(len, ends)))
        self._read(start, self._tokens(shared))
        if all(answer.whole for answer in answers):
            first = self._first(start, sorted({end[0] for end in ends}))
            logprobs = tuple(first[end[0]] + self._rest(start, end) for end in ends)
        else:
            logprobs = sequence_logprobs(self._step, start, ends, self._anchors)
        return Scored(logprobs, len(start) + sum(map(len, ends)))

    def generate(
        self,
        prompt: str,
        *,
        max_tokens: int,
        shared: str = "",
        choices: Sequence[str] = (),
        images: Sequence[bytes] = (),
    ) -> Generated:
        """Write the likeliest continuation, or the likeliest answer in the chat form.

        Raises:
            ConfigurationError: the prompt is longer than the model's context, or there are images.
        """
        if images:
            raise ConfigurationError(f"model {self._options.model!r} reads no images: use the client `openai`")
        write = {"completion": self._continue, "chat": self._reply}[self._options.form]
        text, usage = write(prompt, shared, max_tokens, choices)
        written = usage["completion_tokens"]
        tokens = usage["prompt_tokens"] + written
        try:
            return Generated(pick(text, choices) if choices else text.strip(), tokens, written)
        except ValueError as error:
            raise UnansweredError(Unanswered(str(error), tokens, written)) from error

    def _continue(
        self, prompt: str, shared: str, max_tokens: int, choices: Sequence[str]
    ) -> tuple[str, dict[str, int]]:
        start = self._tokens(prompt)
        answers = [self._answer_tokens(f" {choice}") for choice in choices]
        ends = [answer.ids for answer in answers]
        longest = max(map(len, ends), default=max_tokens)
        self._check_length(start, longest)
        self._read(start, self._tokens(shared))
        if not all(answer.whole for answer in answers):
            return self._choose(start, ends, choices)
        held = {"grammar": token_grammar(ends)} if choices else {}
        answer = self._request(start, max_tokens=longest, **held)
        return answer["choices"][0]["text"], answer["usage"]

    def _reply(self, prompt: str, _shared: str, max_tokens: int, choices: Sequence[str]) -> tuple[str, dict[str, int]]:
        self._check_length(self._tokens(prompt), room_for(choices, max_tokens))
        self._start, self._shared = [], []
        request = chat_request(prompt, room_for(choices, max_tokens))
        answers = [self._answer_tokens(as_json(choice)) for choice in choices]
        if not all(answer.whole for answer in answers):
            start = self._tokens(self._post("apply-template", {"messages": request["messages"]})["prompt"])
            self._read(start, [])
            return self._choose(start, [answer.ids for answer in answers], choices)
        held = answer_format(choices) if choices else {}
        answer = _answered(self._server.handle_chat_completions({**request, **held, "cache_prompt": False}))
        return answer["choices"][0]["message"]["content"], answer["usage"]

    def _choose(self, start: list[int], ends: list[list[int]], choices: Sequence[str]) -> tuple[str, dict[str, int]]:
        place = likeliest(self._step, start, ends, self._anchors, self._tokens(STOP)[0])
        return choices[place], {"prompt_tokens": len(start), "completion_tokens": len(ends[place])}

    def _first(self, start: list[int], candidates: list[int]) -> dict[int, float]:
        """Score each candidate for the token after `start`.

        Forcing the choice to the candidates, one pass reports the true log-probability of the likeliest
        of them and a second their shares among themselves.
        """
        force = [[token, FORCE] for token in candidates]
        (best,) = self._complete(start, logprobs=1, logit_bias=force, temperature=0)
        (shares,) = self._complete(
            start, logprobs=len(candidates), logit_bias=force, post_sampling_probs=True, samplers=[], temperature=1
        )
        share = {one["id"]: math.log(max(one["prob"], 1e-45)) for one in shares["top_probs"]}
        return {token: best["logprob"] + share[token] - share[best["id"]] for token in candidates}

    def _rest(self, start: list[int], end: list[int]) -> float:
        """Score all tokens of `end` but the first, after `start` and that first one."""
        if len(end) == 1:
            return 0.0
        held = token_grammar([end[1:]])
        steps = self._complete([*start, end[0]], logprobs=1, grammar=held, max_tokens=len(end) - 1)
        return math.fsum(step["logprob"] for step in steps)

    def _read(self, start: list[int], shared: list[int]) -> None:
        """Have the engine evaluate `start` in two pieces, `shared` and the rest, unless it just did."""
        if (start, shared) == (self._start, self._shared):
            return
        if not shared or shared != self._shared:
            self._complete(shared or start, max_tokens=0, cache_prompt=False)
        if shared:
            self._complete(shared, max_tokens=0)
            self._complete(start, max_tokens=0)
        self._start, self._shared = start, shared

    def _complete(self, prompt: list[int], **request: object) -> list[dict[str, Any]]:
        logprobs = self._request(prompt, **request)["choices"][0]["logprobs"]
        return logprobs["content"] if logprobs else []

    def _step(self, prompt: list[int], **request: object) -> dict[str, Any]:
        steps = self._complete(prompt, **request)
        if not steps:
            raise _refused("it reports no token")
        return steps[0]

    @cached_property
    def _anchors(self) -> list[int]:
        return [self._tokens(text)[0] for text in ANCHORS]

    def _request(self, prompt: list[int], **request: object) -> dict[str, Any]:
        defaults = {"max_tokens": 1, "temperature": 0, "cache_prompt": True}
        return _answered(self._server.handle_completions({"prompt": prompt, **defaults, **request}))

    def _tokens(self, text: str) -> list[int]:
        return read_tokens(self._post("tokenize", tokens_request(text, special=True))).ids if text else []

    def _answer_tokens(self, text: str) -> Tokens:
        return read_tokens(self._post("tokenize", tokens_request(text)))

    def _post(self, path: str, request: dict[str, Any]) -> dict[str, Any]:
        """Ask the engine over HTTP for what it offers no function for."""
        connection = HTTPConnection(self._address, timeout=60)
        try:
            connection.request("POST", f"/{path}", json.dumps(request))
            reply = connection.getresponse()
            body = json.loads(reply.read())
        except (OSError, HTTPException, ValueError) as error:
            raise _refused(f"{type(error).__name__}: {error}") from error
        else:
            if reply.status != HTTPStatus.OK:
                raise _refused(body)
            return body
        finally:
            connection.close()

    def _check_length(self, start: list[int], answer: int) -> None:
        needed = len(start) + answer
        if needed > self._options.context:
            raise ConfigurationError(
                f"a prompt has {needed} tokens with its answer, the model's context {self._options.context}: "
                "shorten the prompt, lower `max_characters` or raise `context`"
            )


def _answered(answer: dict[str, Any]) -> dict[str, Any]:
    if "choices" not in answer:
        raise _refused(answer)
    return answer


def _refused(why: Any) -> UnansweredError:
    said = why.get("error", why) if isinstance(why, dict) else why
    reason = said.get("message", said) if isinstance(said, dict) else said
    return UnansweredError(Unanswered(f"llama.cpp refused a request: {' '.join(str(reason).split())[:200]}"))


class PackagedPool:
    """As many engines of a packaged model as the cores have room for, each for one question at a time.

    Each engine answers as it would alone, so the answers do not depend on their number.

    Args:
        options: which model, and how many threads an engine has.

    Raises:
        MissingWeightsError: the model's package is absent or damaged.
    """

    def __init__(self, options: ClientOptions) -> None:
        self.identity = packaged_identity(options)
        threads = options.packaged.threads or usable_cores()
        self.concurrency = min(max(usable_cores() // threads, 1), _MOST_ENGINES)
        self._engines = [PackagedClient(options) for _ in range(self.concurrency)]
        self._idle = deque(self._engines)

    def close(self) -> None:
        """Stop all engines."""
        for engine in self._engines:
            engine.close()

    def score(self, prompt: str, continuations: Sequence[str], *, shared: str = "") -> Scored:
        """Let an idle engine sum each continuation's token log-probabilities."""
        with self._engine() as engine:
            return engine.score(prompt, continuations, shared=shared)

    def generate(
        self,
        prompt: str,
        *,
        max_tokens: int,
        shared: str = "",
        choices: Sequence[str] = (),
        images: Sequence[bytes] = (),
    ) -> Generated:
        """Let an idle engine write the likeliest continuation or answer."""
        with self._engine() as engine:
            return engine.generate(prompt, max_tokens=max_tokens, shared=shared, choices=choices, images=images)

    @contextmanager
    def _engine(self) -> Iterator[PackagedClient]:
        engine = self._idle.popleft()  # never empty: at most `concurrency` questions are under way
        try:
            yield engine
        finally:
            self._idle.append(engine)


def packaged_identity(options: ClientOptions) -> str:
    """Name a packaged model with its weights and engine, without loading it.

    Raises:
        ConfigurationError: no packaged model has this name.
    """
    mine = options.packaged
    if mine.model not in MODELS:
        raise ConfigurationError(f"model {mine.model!r} is unknown; packaged models: {', '.join(MODELS)}")
    form = "" if mine.form == "completion" else f" {mine.form}"
    return f"{mine.model}@{MODELS[mine.model].sha256[:12]} xllamacpp@{version('xllamacpp')}{form}"
