"""Which client reaches a model, and asking it what is not known yet."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final

from cu_pipeline.compute.mapper import Lender, Mapper
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import CuPipelineError
from cu_pipeline.core.progress import bar
from cu_pipeline.llm.clients.call_log import Call, TimedCall
from cu_pipeline.llm.clients.openai import OpenAIClient, openai_identity
from cu_pipeline.llm.clients.options import ClientOptions
from cu_pipeline.llm.clients.packaged import PackagedPool, packaged_identity
from cu_pipeline.llm.clients.packaged_elsewhere import PackagedElsewhere
from cu_pipeline.llm.clients.protocol import Answer, Client, ModelQuestion, ScoringQuestion, Unanswered, UnansweredError


@dataclass(frozen=True)
class ClientKind:
    """A way to reach a language model.

    Attributes:
        identity: gives the client's identity without starting it.
        open: starts it.
        elsewhere: starts it on the workers of a cluster, for so many questions; None: it has nothing to compute.
    """

    identity: Callable[[ClientOptions], str]
    open: Callable[[ClientOptions], Client]
    elsewhere: Callable[[ClientOptions, Lender, int], Client] | None = None


CLIENTS: Final[dict[str, ClientKind]] = {
    "packaged": ClientKind(packaged_identity, PackagedPool, PackagedElsewhere),
    "openai": ClientKind(openai_identity, OpenAIClient),
}


def client_kind(options: ClientOptions) -> ClientKind:
    """Find the client that `options` name."""
    return CLIENTS[options.name]


@dataclass(frozen=True)
class LanguageModel:
    """A language model as an annotator.

    Attributes:
        name: by which its annotations name it.
        identity: of its answers; see `Client.identity`.
        client: how it is reached, and its prices.
    """

    name: str
    identity: str
    client: ClientOptions

    @classmethod
    def of(cls, client: ClientOptions) -> "LanguageModel":
        """Name the model that `client` reaches, without starting it."""
        return cls(client.chosen.model, client_kind(client).identity(client), client)


BATCH = 16
"""Answers handed on at a time."""

AT_STAKE = 20
"""Calls that a crash may cost: those under way and those not handed on yet (one each if more are under way)."""

_CHARACTERS = 4
"""Characters of a token of English, about."""

_log = logging.getLogger(__name__)
_NOTHING = Unanswered("not asked yet")


def ask_model(
    questions: Iterable[ModelQuestion],
    known: Mapping[str, Answer],
    options: ClientOptions,
    mapper: Mapper | None = None,
) -> Iterator[list[Call]]:
    """Ask a language model what is not known yet, each question once.

    The model is loaded only if there is something to ask. Counts `llm_calls`, `llm_cache_hits`,
    `llm_tokens` and `llm_unanswered`.

    Args:
        questions: neighbours share their beginning.
        known: earlier answers by key; what is `Unanswered` there is asked again.
        options: which model.
        mapper: where a model that computes here would compute, if it lends workers; None: here.

    Yields:
        Up to `BATCH` new answers. A question that got no usable answer is among them, as `Unanswered`, only
        if something was paid for it; a warning counts all of them by reason.

    Raises:
        ConfigurationError: no question can be answered as the options stand; answers that came before are
            handed on first.
    """
    kind = client_kind(options)
    identity = kind.identity(options)
    asked = {question.key(identity): question for question in questions}
    missing = {key: one for key, one in asked.items() if isinstance(known.get(key, _NOTHING), Unanswered)}
    for name in ("calls", "tokens", "unanswered"):
        count(f"llm_{name}", 0)
    count("llm_cache_hits", len(asked) - len(missing))
    if not missing:
        return
    price = _Price(options, missing)
    _log.info(
        "asking %s %d questions, %d of them new: %s", options.chosen.model, len(asked), len(missing), price.foretold
    )
    if kind.elsewhere and isinstance(mapper, Lender):
        client = kind.elsewhere(options, mapper, len(missing))
    else:
        client = kind.open(options)
    batch: list[Call] = []
    size = min(BATCH, max(1, AT_STAKE - client.concurrency))
    reasons: Counter[str] = Counter()
    try:
        for call in _ask(_by_prompt(missing), client, reasons, price):
            batch.append(call)
            if len(batch) == size:
                yield batch
                batch = []
    except CuPipelineError:
        yield batch
        raise
    finally:
        _report(reasons)
    if batch:
        yield batch


class _Price:
    """What questions will cost, and have cost so far.

    Args:
        options: of the model, with its prices.
        questions: to be asked.
    """

    def __init__(self, options: ClientOptions, questions: Mapping[str, ModelQuestion]) -> None:
        self._model, self._number = options.chosen, len(questions)
        each_anew = options.name == "openai" and options.openai.score_by == "grammar"
        self._expected = sum(_about_tokens(question, each_anew) for question in questions.values())
        self._answers = 0
        self._usd = 0.0

    @property
    def foretold(self) -> str:
        """Tokens and price of all questions, before any is asked."""
        return f"about {self._expected:,} tokens, about ${self._model.price(self._expected, 0):.2g}"

    def add(self, reply: Answer) -> str:
        """Add an answer, and say what was paid so far and what all will cost by then."""
        self._answers += 1
        self._usd += self._model.price(reply.tokens, reply.output_tokens)
        return f"${self._usd:.2g} so far, about ${self._usd / self._answers * self._number:.2g} in all"


def _about_tokens(question: ModelQuestion, each_anew: bool) -> int:
    """Foretell the tokens of a question, before a model has counted them.

    Args:
        question: scored or written.
        each_anew: whether the model reads the prompt anew for each answer that it scores.
    """
    question = getattr(question, "question", question)  # of a timed one
    answers = question.continuations if isinstance(question, ScoringQuestion) else ()
    written = 0 if isinstance(question, ScoringQuestion) else question.max_tokens
    prompts = len(answers) if each_anew and answers else 1
    return round((prompts * len(question.prompt) + sum(map(len, answers))) / _CHARACTERS) + written


def _ask(
    questions: Mapping[str, ModelQuestion], client: Client, reasons: Counter[str], price: _Price
) -> Iterator[Call]:
    """Hand on what was paid for as it comes, at most `client.concurrency` questions under way; close the client."""
    waiting = iter(questions.items())
    running: dict[Future[tuple[Answer, bool]], str] = {}
    failure: CuPipelineError | None = None
    with ThreadPoolExecutor(client.concurrency) as pool, bar("language model", len(questions), "question") as progress:
        try:
            while True:
                while not failure and len(running) < client.concurrency and (new := next(waiting, None)):
                    running[pool.submit(_outcome, new[1], client)] = new[0]
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    key = running.pop(future)
                    try:
                        reply, was_asked = future.result()
                    except CuPipelineError as error:
                        failure = failure or error
                        continue
                    progress.update(note=price.add(reply))
                    _count(reply, was_asked, reasons)
                    if reply.tokens or not isinstance(reply, Unanswered):
                        yield Call(key, reply)
        finally:
            client.close()
    if failure:
        raise failure


def _outcome(question: ModelQuestion, client: Client) -> tuple[Answer, bool]:
    try:
        return question.ask(client), True
    except UnansweredError as error:
        return error.outcome, error.asked


def _count(reply: Answer, was_asked: bool, reasons: Counter[str]) -> None:
    count("llm_calls", int(was_asked))
    count("llm_tokens", reply.tokens)
    if isinstance(reply, Unanswered):
        count("llm_unanswered")
        reasons[reply.reason] += 1


def _report(reasons: Counter[str]) -> None:
    for reason, number in reasons.most_common(5):
        _log.warning("the language model left %d questions without an answer: %s", number, reason)


def _by_prompt(questions: Mapping[str, ModelQuestion]) -> dict[str, ModelQuestion]:
    """Put questions with equal prompts side by side: a client reads the prompt once for all of them."""
    order: dict[str, int] = {}
    for question in questions.values():
        order.setdefault(question.prompt, len(order))
    return dict(sorted(questions.items(), key=lambda item: order[item[1].prompt]))


def ask_timed(
    blocks: Iterable[Iterable[ModelQuestion]], known: Mapping[str, Answer], options: ClientOptions
) -> Iterator[list[TimedCall]]:
    """Ask what is not known yet, one block of questions after the other, and take the time.

    Args:
        blocks: a prompt that occurs in two blocks is read by the model in each, so the times can be compared.
        known: earlier answers by key.
        options: which model.

    Yields:
        A few new answers.
    """
    seconds: dict[str, float] = {}
    questions = [_Timed(question, place, seconds) for place, block in enumerate(blocks) for question in block]
    for calls in ask_model(questions, known, options):  # type: ignore[arg-type]
        yield [TimedCall(call, seconds[call.key]) for call in calls]


@dataclass(frozen=True)
class _Timed:
    """A question that notes how long its answer takes."""

    question: ModelQuestion
    block: int
    seconds: dict[str, float]

    @property
    def prompt(self) -> str:
        """By which questions are put side by side."""
        return f"{self.block}\n{self.question.prompt}"

    def key(self, identity: str) -> str:
        return self.question.key(identity)

    def ask(self, client: Client) -> Answer:
        started = time.perf_counter()
        try:
            return self.question.ask(client)
        finally:
            self.seconds[self.question.key(client.identity)] = time.perf_counter() - started
