"""Where requests wait: for a decoder, and for others to be encoded with."""

import threading
from collections import deque
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


class DecodingQueue(Generic[T]):
    """Clips that wait for a decoder, in order; those that take long never hold all decoders.

    Args:
        decoders: that take from it.
    """

    def __init__(self, decoders: int) -> None:
        self._most_slow = max(decoders - 1, 1)
        self._waiting: deque[tuple[T, bool]] = deque()
        self._slow = 0
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: T, slow: bool = False) -> None:
        """Let a clip wait."""
        with self._changed:
            self._waiting.append((item, slow))
            self._changed.notify()

    def take(self) -> tuple[T, bool] | None:
        """Wait for the first clip that may be decoded, and tell whether it is slow; None: the queue is closed."""
        with self._changed:
            while not self._closed:
                for place, (item, slow) in enumerate(self._waiting):
                    if slow and self._slow >= self._most_slow:
                        continue
                    del self._waiting[place]
                    self._slow += slow
                    return item, slow
                self._changed.wait()
        return None

    def done(self, slow: bool) -> None:
        """Say that a clip's decoder is free."""
        with self._changed:
            self._slow -= slow
            self._changed.notify()

    def close(self) -> list[T]:
        """Let nobody wait any more, and give what was left."""
        with self._changed:
            self._closed = True
            left = [item for item, _ in self._waiting]
            self._waiting.clear()
            self._changed.notify_all()
        return left


class BatchQueue(Generic[T]):
    """Items that are taken several at a time.

    Args:
        most: items that are taken together.
        wait_s: seconds that an item waits for others, at most, where somebody is free to take it.
        room: items that may wait; whoever puts a further one waits. 0: any number.
    """

    def __init__(self, most: int, wait_s: float, room: int = 0) -> None:
        self._most = most
        self._wait_s = wait_s
        self._room = room
        self._waiting: deque[tuple[float, T]] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: T) -> bool:
        """Let an item wait; tell whether the queue takes it, which a closed one does not."""
        with self._changed:
            while self._room and len(self._waiting) >= self._room and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            self._waiting.append((monotonic(), item))
            self._changed.notify_all()
        return True

    def take(self) -> list[T]:
        """Wait for items, and take what there is; none: the queue is closed."""
        with self._changed:
            while not self._closed and not self._is_due():
                self._changed.wait(self._rest())
            batch = [self._waiting.popleft()[1] for _ in range(min(self._most, len(self._waiting)))]
            self._changed.notify_all()
        return batch

    def close(self) -> list[T]:
        """Let nobody wait any more, and give what was left."""
        with self._changed:
            self._closed = True
            left = [item for _, item in self._waiting]
            self._waiting.clear()
            self._changed.notify_all()
        return left

    def _is_due(self) -> bool:
        return len(self._waiting) >= self._most or (bool(self._waiting) and (self._rest() or 0.0) <= 0)

    def _rest(self) -> float | None:
        """Seconds that the first item still waits for others; None: there is none."""
        return self._waiting[0][0] + self._wait_s - monotonic() if self._waiting else None
