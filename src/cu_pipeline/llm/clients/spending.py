import threading
from dataclasses import dataclass

from cu_pipeline.llm.clients.options import ModelOptions


@dataclass(frozen=True)
class Usage:
    """Tokens of one request, as a server counted them or at most."""

    prompt_tokens: int
    output_tokens: int


@dataclass
class Bill:
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
