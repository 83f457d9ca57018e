"""Clients: so many that each wait for their answer, or requests at a rate that waits for nobody."""

import http.client
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np

TIMEOUT_S = 150.0
PAUSE_S = 0.5
MOST_UNDER_WAY = 600
"""Requests that a client machine of two cores can hold open; beyond it a request is not sent, and counted."""


@dataclass(frozen=True)
class Body:
    """A form that is ready to be sent."""

    content: bytes
    kind: str


def form(caption: str, video: Path | None = None) -> Body:
    """Put a clip into a form."""
    edge = uuid.uuid4().hex
    parts = [f'--{edge}\r\nContent-Disposition: form-data; name="caption"\r\n\r\n{caption}\r\n'.encode()]
    if video is not None:
        head = f'--{edge}\r\nContent-Disposition: form-data; name="video"; filename="clip.mp4"\r\n'
        parts += [head.encode(), b"Content-Type: video/mp4\r\n\r\n", video.read_bytes(), b"\r\n"]
    return Body(b"".join([*parts, f"--{edge}--\r\n".encode()]), f"multipart/form-data; boundary={edge}")


@dataclass
class Answers:
    """What came back: status, seconds and whether it said when to come again, of each request."""

    seconds: float = 0.0
    rows: list[tuple[int, float, bool]] = field(default_factory=list)
    unsent: int = 0

    def took(self, *statuses: int) -> np.ndarray:
        return np.array([seconds for status, seconds, _ in self.rows if status in statuses])

    @property
    def statuses(self) -> dict[str, int]:
        return {str(status): number for status, number in sorted(Counter(row[0] for row in self.rows).items())}

    def summary(self) -> dict[str, object]:
        """Answers a second, percentiles in milliseconds of those with 200, and how many of each status."""
        good = self.took(200)
        return {
            "per_s": round(len(good) / self.seconds, 3),
            "p50_ms": percentile(good, 50),
            "p99_ms": percentile(good, 99),
            "statuses": self.statuses,
        }


def percentile(seconds: np.ndarray, which: float) -> float | None:
    """In milliseconds; None of nothing."""
    return round(1000 * float(np.percentile(seconds, which)), 1) if len(seconds) else None


class Client:
    """One connection that is kept open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: http.client.HTTPConnection | None = None

    def send(self, body: Body, path: str = "/classify") -> tuple[int, float, bool]:
        """Send a form; status 0 where the connection broke."""
        begun = time.monotonic()
        try:
            if self._open is None:
                self._open = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
            self._open.request("POST", path, body.content, {"Content-Type": body.kind})
            answer = self._open.getresponse()
            answer.read()
            if answer.will_close:
                self.close()
            return answer.status, time.monotonic() - begun, answer.getheader("Retry-After") is not None
        except (OSError, http.client.HTTPException):
            self.close()
            return 0, time.monotonic() - begun, False

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def closed_loop(port: int, bodies: Sequence[Body], clients: int, seconds: float) -> Answers:
    """Let clients send one form after the other, each after its answer."""
    found, numbers = Answers(), count()
    begun = time.monotonic()

    def run() -> None:
        client = Client(port)
        while time.monotonic() < begun + seconds:
            found.rows.append(client.send(bodies[next(numbers) % len(bodies)]))
            if not found.rows[-1][0]:
                time.sleep(PAUSE_S)  # the server is gone
        client.close()

    _together([threading.Thread(target=run) for _ in range(clients)])
    found.seconds = time.monotonic() - begun
    return found


def open_loop(port: int, bodies: Sequence[Body], per_s: float, seconds: float, seed: int = 1) -> Answers:
    """Send forms at random moments (a Poisson process), whether or not earlier ones were answered."""
    found, draw, threads = Answers(), random.Random(seed), []
    under_way = threading.Semaphore(MOST_UNDER_WAY)

    def run(body: Body) -> None:
        client = Client(port)
        found.rows.append(client.send(body))
        client.close()
        under_way.release()

    begun, due, number = time.monotonic(), 0.0, 0
    while (due := due + draw.expovariate(per_s)) < seconds:
        time.sleep(max(begun + due - time.monotonic(), 0))
        if under_way.acquire(blocking=False):
            threads.append(threading.Thread(target=run, args=(bodies[number % len(bodies)],)))
            threads[-1].start()
        else:
            found.unsent += 1
        number += 1
    for thread in threads:
        thread.join()
    found.seconds = time.monotonic() - begun
    return found


def _together(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
