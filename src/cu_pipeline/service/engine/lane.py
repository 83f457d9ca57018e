"""Admission: a lane takes no more requests than it can answer in time."""

import math
import threading
from time import monotonic
from typing import Final

from cu_pipeline.service.engine.interface import EngineMetrics, OverloadedError

SHARE: Final = 0.5
"""Of the deadline that a request may expect to spend in its lane: what is measured is a mean, and some take longer."""

FEW: Final = 4
"""Requests that a lane takes always, unless it is told otherwise: nothing is learned of one that takes none."""

_LEARNING: Final = 0.1
"""Weight of the latest request in what one costs."""


class Lane:
    """Counts the requests of one kind from their admission until the work on them ends, whether or not anybody waits.

    How many it takes follows from what it has measured: the seconds from one answer to the next while requests wait,
    which is the time that a request spent here divided by those that it found and itself (Little's law).

    Args:
        name: for people.
        deadline_s: seconds in which a request must be answered.
        guess_s: seconds from one answer to the next, until they are measured.
        most: requests, however fast they are answered.
        metrics: are told how many there are.
        least: requests that it takes always.
    """

    def __init__(
        self, name: str, deadline_s: float, guess_s: float, most: int, metrics: EngineMetrics, least: int = FEW
    ) -> None:
        self.name = name
        self.deadline_s = deadline_s
        self.spacing_s = guess_s
        self._most = most
        self._least = min(least, most)
        self._metrics = metrics
        self._inside = 0
        self._lock = threading.Lock()

    @property
    def inside(self) -> int:
        """Requests that were admitted and have not ended."""
        return self._inside

    @property
    def room(self) -> int:
        """Requests that may be inside."""
        return max(min(int(SHARE * self.deadline_s / self.spacing_s), self._most), self._least)

    def check(self, beside: int = 0) -> None:
        """Tell whether there is room.

        Args:
            beside: requests that are about to enter.

        Raises:
            OverloadedError: there is none.
        """
        if self._inside + beside >= self.room:
            late = (self._inside + beside + 1) * self.spacing_s - SHARE * self.deadline_s
            raise OverloadedError(self.name, max(math.ceil(late), 1))

    def enter(self) -> "LanePlace":
        """Take a request.

        Raises:
            OverloadedError: it could not be answered in time.
        """
        with self._lock:
            self.check()
            place = LanePlace(self, self._inside)
            self._inside += 1
            self._metrics.queue(self.name, self._inside)
            return place

    def freed(self, took_s: float | None, found: int) -> None:
        """Take note that a request has ended.

        Args:
            took_s: seconds that it spent here; None: no work was done for it.
            found: requests that were there before it.
        """
        with self._lock:
            self._inside -= 1
            if took_s is not None:
                self.spacing_s += _LEARNING * (max(took_s / (found + 1), 1e-4) - self.spacing_s)
            self._metrics.queue(self.name, self._inside)


class LanePlace:
    """One request's place in a lane.

    Args:
        lane: that it is in.
        found: requests that were there before it.
    """

    def __init__(self, lane: Lane, found: int) -> None:
        self.lane = lane
        self._found = found
        self._entered = monotonic()
        self._left = False

    def leave(self, worked: bool) -> bool:
        """Free the place, and tell whether it was held until now.

        Args:
            worked: whether the work was done, so that its time counts.
        """
        if self._left:
            return False
        self._left = True
        self.lane.freed(monotonic() - self._entered if worked else None, self._found)
        return True
