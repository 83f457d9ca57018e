"""What live traffic says of a challenger: answers of both models to the same requests, and people's feedback on them.

Creators are the units: a creator counts once for the quality of both models, with the first feedback on a clip that
both have answered, and once for how often they differ. Clips of one creator resemble each other, so that what comes
later of the same creator is no fresh evidence, and bets on it would be won or lost together. Failures and slowness come
and go with time rather than with creators: for these a creator counts once an hour.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict

from cu_pipeline.rollout.betting import Tally, Watch
from cu_pipeline.rollout.plan import Limits

HALF: Final = 0.5
"""Of the answers may take longer than the limit."""

_HOUR_S: Final = 3600


@dataclass(frozen=True)
class Pair:
    """What both models say of one request.

    Attributes:
        request_id: of the request.
        time: when it was answered.
        unit: the creator, else the clip.
        champion: the champion's label; None: it failed.
        challenger: the challenger's, likewise.
        slower: how many times as long as the champion the challenger took; None: not measured alike.
    """

    request_id: str
    time: datetime
    unit: str
    champion: str | None
    challenger: str | None
    slower: float | None = None


class Evidence(BaseModel):
    """Observations so far, one a unit.

    Attributes:
        until: time of the last answer or feedback that is in it; None: there is none.
        requests: answered by both models.
        feedback: on requests that both answered, also that of creators who had counted before.
        quality: 1: only the challenger was right; -1: only the champion was; 0: both or none.
        disagreement: 1: the labels differ; 0: they do not.
        errors: 1: only the challenger failed; -1: only the champion did; 0: both or none.
        latency: 1: the challenger took longer than the limit allows; 0: it did not.
        failing: natural logarithm of the evidence that it fails more often than the limit allows.
        slowness: likewise, that more than half of its answers take longer than the limit.
    """

    model_config = ConfigDict(frozen=True)

    until: AwareDatetime | None = None
    requests: int = 0
    feedback: int = 0
    quality: Tally = Tally()
    disagreement: Tally = Tally()
    errors: Tally = Tally()
    latency: Tally = Tally()
    failing: float = 0.0
    slowness: float = 0.0


class Collector:
    """Adds answers and feedback to the evidence, in the order in which they come; what it has seen before is ignored.

    Args:
        limits: of the rollout.
    """

    def __init__(self, limits: Limits) -> None:
        self._latency = limits.latency
        self._watches = {"errors": Watch(limits.errors, 0.0), "latency": Watch(HALF, 0.0)}
        self._until: datetime | None = None
        self._tallies = {name: Tally() for name in ("quality", "disagreement", "errors", "latency")}
        self._requests: set[str] = set()
        self._open: dict[str, Pair] = {}
        self._counted: dict[str, set[str]] = {"quality": set(), "disagreement": set()}
        self._hours: dict[str, dict[str, int]] = {"errors": {}, "latency": {}}
        self._early: dict[str, tuple[datetime, str]] = {}
        self._feedback: set[str] = set()

    @property
    def evidence(self) -> Evidence:
        """All so far."""
        return Evidence(
            until=self._until,
            requests=len(self._requests),
            feedback=len(self._feedback),
            failing=float(self._watches["errors"].log_wealth[0]),
            slowness=float(self._watches["latency"].log_wealth[0]),
            **self._tallies,
        )

    def answered(self, pair: Pair) -> None:
        """Add a request that both models were asked about."""
        if pair.request_id in self._requests:
            return
        self._requests.add(pair.request_id)
        self._seen(pair.time)
        self._hourly("errors", pair, (pair.challenger is None) - (pair.champion is None))
        if pair.slower is not None:
            self._hourly("latency", pair, int(pair.slower > self._latency))
        if pair.champion is None or pair.challenger is None:
            return
        self._once("disagreement", pair.unit, int(not same_label(pair.champion, pair.challenger)))
        if pair.unit not in self._counted["quality"]:
            self._open[pair.request_id] = pair
        if early := self._early.pop(pair.request_id, None):
            self.judged(pair.request_id, *early)

    def judged(self, request_id: str, time: datetime, label: str) -> None:
        """Add what a person says that the answer should have been; the first word on a request counts."""
        if request_id not in self._requests:
            self._early.setdefault(request_id, (time, label))
            return
        if request_id in self._feedback:
            return
        self._feedback.add(request_id)
        self._seen(time)
        pair = self._open.pop(request_id, None)
        if pair is not None and pair.champion is not None and pair.challenger is not None:
            right = same_label(pair.challenger, label) - same_label(pair.champion, label)
            self._once("quality", pair.unit, right)

    def _once(self, measure: str, unit: str, value: int) -> None:
        if unit not in self._counted[measure]:
            self._counted[measure].add(unit)
            self._tallies[measure] = self._tallies[measure].add(value)

    def _hourly(self, measure: str, pair: Pair, value: int) -> None:
        hour, counted = int(pair.time.timestamp() // _HOUR_S), self._hours[measure]
        if hour > counted.get(pair.unit, -1):
            counted[pair.unit] = hour
            self._tallies[measure] = self._tallies[measure].add(value)
            self._watches[measure].add([value])

    def _seen(self, time: datetime) -> None:
        self._until = time if self._until is None else max(self._until, time)


def same_label(one: str, other: str) -> bool:
    """Whether two labels say the same; the order of several classes does not matter.

    >>> same_label("advert|violence", "violence|advert"), same_label("none", "advert")
    (True, False)
    """
    return one == other or set(one.split("|")) == set(other.split("|"))
