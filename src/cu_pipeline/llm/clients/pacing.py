"""What holds requests back: a rate for each minute, and a budget."""

import threading
import time
from collections import deque
from dataclasses import dataclass

from cu_pipeline.llm.clients.options import ModelOptions


@dataclass(frozen=True)
class Usage:
    """Tokens of one request, as a server counted them or at most."""

    prompt_tokens: int
    output_tokens: int


@dataclass
class Costs:
    """What a server says that one question cost, over all its requests and tries.

    Attributes:
        tokens: in all.
        output_tokens: those of them that the model wrote.
        requests: sent so far.
    """

    tokens: int = 0
    output_tokens: int = 0
    requests: int = 0

    def add(self, usage: Usage) -> None:
        """Add one reply."""
        self.tokens += usage.prompt_tokens + usage.output_tokens
        self.output_tokens += usage.output_tokens


class Budget:
    """Lets requests pass while the most that they can cost fits into what is left.

    Threads may share it.

    Args:
        limit: US dollars; None: no limit.
        prices: of the model.
    """

    def __init__(self, limit: float | None, prices: ModelOptions) -> None:
        self._limit = float("inf") if limit is None else limit
        self._prices = prices
        self._spent = self._reserved = 0.0
        self._over = False
        self._change = threading.Condition()

    def reserve(self, most: Usage) -> bool:
        """Set aside the price of `most`, once others' replies have shown whether it fits; False if it never will."""
        price = self._price(most)
        with self._change:
            while not self._over and self._spent + self._reserved + price > self._limit:
                if self._reserved <= 0:
                    self._over = True
                    self._change.notify_all()
                else:
                    self._change.wait()
            if not self._over:
                self._reserved += price
            return not self._over

    def settle(self, most: Usage, paid: Usage) -> None:
        """Replace what `reserve` set aside by what was paid."""
        with self._change:
            self._reserved -= self._price(most)
            self._reserved = max(self._reserved, 0.0) if self._reserved > 1e-12 else 0.0
            self._spent += self._price(paid)
            self._change.notify_all()

    def _price(self, usage: Usage) -> float:
        return self._prices.price(usage.prompt_tokens + usage.output_tokens, usage.output_tokens)


_WINDOW_S = 60.0


class Pace:
    """Holds requests back so that no minute has more of them, or of their tokens, than allowed.

    Threads may share it. A request with more tokens than a minute allows passes when it is alone.

    Args:
        requests: per minute; 0: any number.
        tokens: per minute; 0: any number.
    """

    def __init__(self, requests: int, tokens: int) -> None:
        self._requests = requests or float("inf")
        self._tokens = tokens or float("inf")
        self._sent: deque[tuple[float, int]] = deque()
        self._not_before = 0.0
        self._lock = threading.Lock()

    def hold(self, seconds: float) -> None:
        """Let nothing pass for so long."""
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + seconds)

    def enter(self, tokens: int, stopped: threading.Event) -> None:
        """Wait until a request of `tokens` may be sent, or until `stopped` is set."""
        while (delay := self._claim(tokens)) > 0:
            if stopped.wait(delay):
                return

    def _claim(self, tokens: int) -> float:
        """Take a place and give 0, or give the seconds after which to try again."""
        now = time.monotonic()
        with self._lock:
            while self._sent and self._sent[0][0] <= now - _WINDOW_S:
                self._sent.popleft()
            if now < self._not_before:
                return self._not_before - now
            full = len(self._sent) >= self._requests or sum(one for _, one in self._sent) + tokens > self._tokens
            if self._sent and full:
                return self._sent[0][0] + _WINDOW_S - now
            self._sent.append((now, tokens))
            return 0.0
