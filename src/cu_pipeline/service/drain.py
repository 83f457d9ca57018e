"""The end of a worker: requests under way get a bounded time to end, whatever their clients do."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Drain:
    """Knows the requests under way, and cancels what is left of them some time after the service was told to end.

    uvicorn alone would wait for an open upload as long as its client likes.

    Args:
        seconds: that requests under way get.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._tasks: set[asyncio.Task[Any]] = set()
        self.begun = False
        self.over = False

    def follow_signals(self) -> None:
        """Begin when this process is told to end; call it in the event loop, where uvicorn's handlers are set."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            former = signal.getsignal(number)

            def handle(received: int, frame: FrameType | None, former: Any = former) -> None:
                loop.call_soon_threadsafe(self.begin)
                if callable(former):
                    former(received, frame)

            signal.signal(number, handle)

    def begin(self) -> None:
        """Let no request run longer than the time that is left now."""
        if not self.begun:
            self.begun = True
            asyncio.get_running_loop().call_later(self._seconds, self._end)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count the request of this task in while the block runs."""
        if (task := asyncio.current_task()) is None:
            raise RuntimeError("requests are answered by tasks of an event loop")
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    def _end(self) -> None:
        self.over = True
        for task in self._tasks:
            task.cancel()
