"""A packaged model on the machines of a cluster: each worker loads it once and answers one question after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from cu_pipeline.compute.mapper import Lender
from cu_pipeline.compute.worker_pool import usable_cores
from cu_pipeline.core.errors import ConfigurationError, CuPipelineError
from cu_pipeline.llm.clients.options import ClientOptions
from cu_pipeline.llm.clients.packaged import PackagedClient, packaged_identity
from cu_pipeline.llm.clients.protocol import Generated, Scored, Unanswered, UnansweredError

_ENGINE_MB: Final = 1024
"""Memory of a worker: some 250 MB of the engine's, its context, and the process around it."""


@dataclass(frozen=True)
class _Call:
    """A question on its way: what `Client` is asked.

    Attributes:
        method: of the client.
        given: its arguments.
    """

    method: str
    given: dict[str, Any]


@dataclass(frozen=True)
class _Reply:
    """What came of it; exceptions would lose on the way what they hold.

    Attributes:
        answer: None if there is none.
        unanswered: why not, and what was paid; None if something is wrong with every question.
        asked: whether the model was.
        problem: what is wrong, in words.
    """

    answer: Scored | Generated | None = None
    unanswered: Unanswered | None = None
    asked: bool = True
    problem: str = ""


class PackagedElsewhere:
    """As many engines of a packaged model as workers of a cluster, each for one question at a time.

    Each engine answers as it would alone, so the answers depend neither on their number nor on where they are. A
    worker that is lost costs the question that it had another try.

    Args:
        options: which model, and how many threads an engine has.
        lender: has the workers.
        questions: that will be asked.
    """

    def __init__(self, options: ClientOptions, lender: Lender, questions: int) -> None:
        self.identity = packaged_identity(options)
        threads = options.packaged.threads or usable_cores()
        self._held = lender.lend(partial(_Engine, options), most=questions, memory_mb=_ENGINE_MB, cores=threads)
        self.concurrency = self._held.size

    def close(self) -> None:
        """End the workers."""
        self._held.end()

    def score(self, prompt: str, continuations: Sequence[str], *, shared: str = "") -> Scored:
        """Let an idle engine sum each continuation's token log-probabilities."""
        given = {"prompt": prompt, "continuations": tuple(continuations), "shared": shared}
        scored: Scored = self._ask(_Call("score", given))
        return scored

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
        given = {"prompt": prompt, "max_tokens": max_tokens, "shared": shared, "choices": tuple(choices)}
        written: Generated = self._ask(_Call("generate", given | {"images": tuple(images)}))
        return written

    def _ask(self, call: _Call) -> Any:
        outcome = self._held.run(call)
        if outcome.error is not None:
            raise UnansweredError(Unanswered(f"no worker answered: {outcome.error.detail}"))
        reply = outcome.get()
        if reply.unanswered is not None:
            raise UnansweredError(reply.unanswered, asked=reply.asked)
        if reply.answer is None:
            raise ConfigurationError(reply.problem)
        return reply.answer


class _Engine:
    """What a worker holds: the model, loaded with the first question.

    Args:
        options: which model.
    """

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._client: PackagedClient | None = None

    def __call__(self, call: _Call) -> _Reply:
        """Answer a question."""
        try:
            if self._client is None:
                self._client = PackagedClient(self._options)
            return _Reply(getattr(self._client, call.method)(**call.given))
        except UnansweredError as error:
            return _Reply(unanswered=error.outcome, asked=error.asked)
        except CuPipelineError as error:
            return _Reply(problem=str(error))
