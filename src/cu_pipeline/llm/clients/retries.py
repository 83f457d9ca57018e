import logging
import random
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.llm.clients.options import OpenAIOptions
from cu_pipeline.llm.clients.pacing import Budget, Costs, Pace, Usage
from cu_pipeline.llm.clients.protocol import Unanswered, UnansweredError
from cu_pipeline.llm.clients.wire import UNBILLED, Reply, Wire

_log = logging.getLogger(__name__)
_NOTHING: Final = Usage(0, 0)
_RETRIES_UNPROVEN: Final = 2
T = TypeVar("T")


class UnusableError(Exception):
    """A request that did not get what it asked for.

    Args:
        reason: in words.
        reply: what came instead, if it did not come from a server that works.
    """

    def __init__(self, reason: str, reply: Reply | None = None) -> None:
        self.whole = reply is None
        self.again = reply is None or reply.again
        self.wait_s = reply.wait_s if reply else 0.0
        super().__init__(reason)


class Retrier:
    """Sends requests until one gets a usable reply, within rates, budget and patience.

    A reply that is late, refused, broken or unusable is asked for again, with growing pauses, and meanwhile no
    new question is sent: a server in trouble is left in peace, and questions do not fail because of each
    other. Threads may share it.

    Args:
        options: of the client.
        wire: sends.
    """

    def __init__(self, options: OpenAIOptions, wire: Wire) -> None:
        self._options = options
        self._wire = wire
        self._budget = Budget(options.budget_usd, options)
        self._pace = Pace(options.requests_per_minute, options.tokens_per_minute)
        self._stopped = threading.Event()
        self._lane = threading.Lock()
        self._in_vain = 0
        self._proven: set[str] = set()
        self._warned = False

    def stop(self) -> None:
        """Let no further request out."""
        self._stopped.set()

    def ask(
        self,
        request: tuple[str, Mapping[str, Any], Usage],
        read: Callable[[dict[str, Any]], T],
        costs: Costs,
        remedy: str = "",
    ) -> T:
        """Send a request as often as need be.

        Args:
            request: endpoint, JSON object, and the tokens that one try may cost at most.
            read: takes out of a reply's JSON what is wanted, or raises `UnusableError`.
            costs: to which all that was paid is added.
            remedy: what to do about a server that works but does not offer what is asked for.

        Raises:
            UnansweredError: no reply was of use.
            ConfigurationError: none will be.
        """
        with self._lane:
            pass
        if self._in_vain >= self._options.give_up_after:
            raise self._unanswered(f"the server failed {self._in_vain} times in a row", costs)
        try:
            return self._try(request, read, costs, remedy)
        except UnusableError as trouble:
            first = trouble
        with self._lane:
            return self._retry(first, request, read, costs, remedy)

    def _retry(
        self,
        trouble: UnusableError,
        request: tuple[str, Mapping[str, Any], Usage],
        read: Callable[[dict[str, Any]], T],
        costs: Costs,
        remedy: str,
    ) -> T:
        unproven = bool(remedy) and remedy not in self._proven
        for attempt in range(self._options.retries):
            given_up = self._in_vain >= self._options.give_up_after
            pointless = trouble.whole and unproven and attempt >= _RETRIES_UNPROVEN
            if given_up or pointless or not trouble.again or trouble.wait_s > self._options.longest_wait_s:
                break
            self._rest(attempt, trouble, costs)
            try:
                return self._try(request, read, costs, remedy)
            except UnusableError as error:
                trouble = error
        if unproven and (trouble.whole or not trouble.again):
            raise ConfigurationError(f"{self._options.base_url}: {trouble}. {remedy}")
        self._in_vain += not trouble.whole and trouble.again
        raise self._unanswered(str(trouble), costs)

    def _try(
        self,
        request: tuple[str, Mapping[str, Any], Usage],
        read: Callable[[dict[str, Any]], T],
        costs: Costs,
        remedy: str,
    ) -> T:
        endpoint, body, most = request
        if not self._budget.reserve(most):
            raise self._unanswered(f"the budget of ${self._options.budget_usd:g} is spent (budget_usd)", costs)
        paid = most
        try:
            self._pace.enter(most.prompt_tokens // 3 + most.output_tokens, self._stopped)
            if self._stopped.is_set():
                paid = _NOTHING
                raise self._unanswered("the run was stopped", costs)
            costs.requests += 1
            reply = self._wire.post(endpoint, body)
            paid = reply.usage or (_NOTHING if reply.refused or endpoint in UNBILLED else most)
            costs.add(reply.usage or _NOTHING)
        finally:
            self._budget.settle(most, paid)
        if reply.body is None:
            raise UnusableError(reply.problem, reply)
        self._in_vain = 0
        if reply.usage is None and endpoint not in UNBILLED:
            self._warn_unstated()
        try:
            result = read(reply.body)
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise UnusableError(f"the reply has another form: {error}") from error
        self._proven.add(remedy)
        return result

    def _rest(self, attempt: int, trouble: UnusableError, costs: Costs) -> None:
        pause = self._options.backoff_s * 2 ** min(attempt, 6) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        _log.debug("asked again after %.1f s: %s", max(pause, trouble.wait_s), trouble)
        self._pace.hold(max(pause, trouble.wait_s))
        if self._stopped.wait(max(pause, trouble.wait_s)):
            raise self._unanswered("the run was stopped", costs)

    def _unanswered(self, reason: str, costs: Costs) -> UnansweredError:
        return UnansweredError(Unanswered(reason, costs.tokens, costs.output_tokens), asked=costs.requests > 0)

    def _warn_unstated(self) -> None:
        if not self._warned:
            self._warned = True
            _log.warning("%s does not say how many tokens a call took: the costs is too low", self._options.base_url)
