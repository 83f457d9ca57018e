"""What the simulated year found, window by window."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Told:
    """What the loop said and did at the end of a window.

    Attributes:
        decision: of the monitor.
        causes: kinds of causes that it named.
        summary: in words.
        action: of the loop: nothing, alert, label, retrain, promote.
        version: of the model that serves from then on.
        estimate: accuracy that was estimated without labels, low and high end; None: no estimate was made.
        trusted: whether it believed its own estimate.
    """

    decision: str
    causes: tuple[str, ...]
    summary: str
    action: str
    version: str
    estimate: tuple[float, float, float] | None
    trusted: bool


@dataclass(frozen=True)
class WindowOutcome:
    """One window of the year.

    Attributes:
        number: from 1.
        title: what happened.
        cause: what should be said of it; "": nothing.
        clips: that the service was sent.
        accuracy: policy -> share of its answers that were right, of the model that served in the window.
        spent: policy -> US dollars for labels, in all until the window's end.
        told: what the loop said.
    """

    number: int
    title: str
    cause: str
    clips: int
    accuracy: dict[str, float]
    spent: dict[str, float]
    told: Told


@dataclass(frozen=True)
class Year:
    """All windows.

    Attributes:
        ours: name of the policy that is the loop.
        windows: in order.
        seconds: that the simulation took.
    """

    ours: str
    windows: tuple[WindowOutcome, ...]
    seconds: float

    def mean_accuracy(self, policy: str) -> float:
        """Mean over windows of the share of right answers."""
        return float(np.mean([window.accuracy[policy] for window in self.windows]))

    def spent(self, policy: str) -> float:
        """US dollars for labels over the year."""
        return self.windows[-1].spent[policy]

    def false_alarms(self) -> Sequence[WindowOutcome]:
        """Windows in which nothing was new and the monitor said drift."""
        return [window for window in self.windows if not window.cause and window.told.decision == "drift"]

    def found(self) -> Sequence[WindowOutcome]:
        """Windows in which something was new and the monitor said drift."""
        return [window for window in self.windows if window.cause and window.told.decision == "drift"]

    def named(self) -> Sequence[WindowOutcome]:
        """Those of `found` whose cause was named rightly."""
        return [window for window in self.found() if window.cause in window.told.causes]
