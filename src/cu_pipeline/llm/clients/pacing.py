import threading
import time
from collections import deque

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
