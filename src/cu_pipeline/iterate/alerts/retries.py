"""Attempts with growing pauses between them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

LONGEST_S: Final = 60.0
"""Seconds between two attempts, at most, also where a server asks for more."""


class NotDeliveredError(Exception):
    """An attempt that did not succeed.

    Args:
        words: why, without secrets.
        again: whether another attempt may succeed.
        after_s: seconds that the other side asks to wait; None: it did not.
    """

    def __init__(self, words: str, *, again: bool, after_s: float | None = None) -> None:
        super().__init__(words)
        self.again = again
        self.after_s = after_s


@dataclass(frozen=True)
class Outcome:
    """What came of the attempts: how many there were, and the error of the last one; "" where it succeeded."""

    attempts: int
    error: str


def attempt(
    deliver: Callable[[], None], attempts: int, backoff_s: float, pause: Callable[[float], None] = time.sleep
) -> Outcome:
    """Try until it succeeds, cannot succeed, or was tried often enough.

    Args:
        deliver: one attempt; raises `NotDeliveredError`.
        attempts: at most.
        backoff_s: seconds before the second one; twice as long before each further one.
        pause: waits.
    """
    error = ""
    for number in range(1, attempts + 1):
        try:
            deliver()
        except NotDeliveredError as failure:
            error = str(failure)
            if not failure.again or number == attempts:
                return Outcome(number, error)
            wait = backoff_s * 2 ** (number - 1) if failure.after_s is None else failure.after_s
            pause(min(wait, LONGEST_S))
        else:
            return Outcome(number, "")
    return Outcome(attempts, error)
