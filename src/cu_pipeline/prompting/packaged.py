import json
import math
from collections.abc import Sequence
from http.client import HTTPConnection
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from cu_pipeline.compute.cores import usable_cores
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.weights import MODELS, weights_path
from cu_pipeline.prompting.client import Scored
from cu_pipeline.prompting.options import ClientOptions

_FORCE = 100.0
"""Added to a token's logit it makes that token certain; the reported log-probabilities leave it out."""


class PackagedClient:
    """A model that ships in a Python package, run in this process by llama.cpp.

    An answer depends on prompt and continuations alone, not on what was asked before or on the number of
    threads: the prompt is always evaluated in the same two pieces, `shared` and the rest.

    Args:
        options: which model, and how much of the machine it may use.

    Raises:
        MissingWeightsError: the model's package is absent or damaged.
    """

    def __init__(self, options: ClientOptions) -> None:
        import xllamacpp

        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(weights_path(options.model))
        parameters.n_ctx = options.context
        parameters.cpuparams.n_threads = options.threads or usable_cores()
        parameters.cpuparams_batch.n_threads = parameters.cpuparams.n_threads
        parameters.cache_ram_mib = 0
        parameters.warmup = False
        parameters.ui = False
        parameters.verbosity = -1
        self._options = options
        self._server: Any = xllamacpp.Server(parameters)
        self._address = urlsplit(self._server.listening_address).netloc
        self._start: list[int] = []
        self._shared: list[int] = []

    @property
    def identity(self) -> str:
        """Model, weights' hash and engine."""
        return packaged_identity(self._options)

    def close(self) -> None:
        """Stop the engine's threads and free its memory."""
        self._server = None

    def score(self, prompt: str, continuations: Sequence[str], *, shared: str = "") -> Scored:
        """Sum each continuation's token log-probabilities under the model.

        Raises:
            ConfigurationError: prompt and continuation are longer than the model's context.
        """
        start = self._tokens(prompt)
        ends = [self._tokens(continuation) for continuation in continuations]
        self._check_length(start, ends)
        self._read(start, self._tokens(shared))
        first = self._first(start, sorted({end[0] for end in ends}))
        logprobs = tuple(first[end[0]] + self._rest(start, end) for end in ends)
        return Scored(logprobs, len(start) + sum(map(len, ends)))

    def _first(self, start: list[int], candidates: list[int]) -> dict[int, float]:
        """Give the log-probability of each candidate for the token after `start`.

        Forcing the choice to the candidates, one pass reports the true log-probability of the likeliest
        of them and a second their shares among themselves.
        """
        force = [[token, _FORCE] for token in candidates]
        (best,) = self._complete(start, logprobs=1, logit_bias=force, temperature=0)
        (shares,) = self._complete(
            start, logprobs=len(candidates), logit_bias=force, post_sampling_probs=True, samplers=[], temperature=1
        )
        share = {one["id"]: math.log(max(one["prob"], 1e-45)) for one in shares["top_probs"]}
        return {token: best["logprob"] + share[token] - share[best["id"]] for token in candidates}

    def _rest(self, start: list[int], end: list[int]) -> float:
        """Give the log-probability of all tokens of `end` but the first, after `start` and that first one."""
        if len(end) == 1:
            return 0.0
        grammar = "root ::= " + " ".join(f"<[{token}]>" for token in end[1:])
        steps = self._complete([*start, end[0]], logprobs=1, grammar=grammar, max_tokens=len(end) - 1)
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
        defaults = {"max_tokens": 1, "temperature": 0, "cache_prompt": True}
        answer = self._server.handle_completions({"prompt": prompt, **defaults, **request})
        if "choices" not in answer:
            raise RuntimeError(f"llama.cpp refused a request of {len(prompt)} tokens: {answer}")
        logprobs = answer["choices"][0]["logprobs"]
        return logprobs["content"] if logprobs else []

    def _tokens(self, text: str) -> list[int]:
        if not text:
            return []
        connection = HTTPConnection(self._address, timeout=60)
        try:
            connection.request("POST", "/tokenize", json.dumps({"content": text, "add_special": False}))
            return json.loads(connection.getresponse().read())["tokens"]
        finally:
            connection.close()

    def _check_length(self, start: list[int], ends: list[list[int]]) -> None:
        needed = len(start) + max(map(len, ends))
        if needed > self._options.context:
            raise ConfigurationError(
                f"a prompt has {needed} tokens with its answer, the model's context {self._options.context}: "
                "shorten the prompt, lower `max_characters` or raise `context`"
            )


def packaged_identity(options: ClientOptions) -> str:
    """Give the identity of a packaged model without loading it.

    Raises:
        ConfigurationError: no packaged model has this name.
    """
    if options.model not in MODELS:
        raise ConfigurationError(f"model {options.model!r} is unknown; packaged models: {', '.join(MODELS)}")
    return f"{options.model}@{MODELS[options.model].sha256[:12]} xllamacpp@{version('xllamacpp')}"
