"""Puts the prediction log's records together: both models' answers to a request, and the feedback on it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cu_pipeline.inference.prediction_log import FeedbackRecord, PredictionRecord, ShadowRecord
from cu_pipeline.rollout.evidence import Collector, Evidence, Pair
from cu_pipeline.rollout.plan import Rollout

PATIENCE: Final = timedelta(hours=1)
"""How long an answer waits for the other model's: what was not logged by then was lost."""

_COMPARED: Final = ("encode", "score")
"""Stages of an answer that a challenger goes through again; queueing and decoding are shared."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What one model said of a request.

    Attributes:
        time: when.
        version: of the model.
        label: None: it failed.
        ms: that it took.
        unit: whose request it was; "": that is known of the other model's answer.
    """

    time: datetime
    version: str
    label: str | None
    ms: float
    unit: str = ""


class Pairing:
    """Evidence of one rollout, as records come in; those that came before change nothing.

    Args:
        rollout: that runs.
    """

    def __init__(self, rollout: Rollout) -> None:
        self._rollout = rollout
        self._collector = Collector(rollout.limits)
        self._answers: dict[str, _Said] = {}
        self._shadows: dict[str, _Said] = {}

    @property
    def evidence(self) -> Evidence:
        """All so far."""
        return self._collector.evidence

    def answered(self, record: PredictionRecord) -> None:
        """Add what a client was told, since the rollout began."""
        name = self._rollout.capability
        if name in record.labels and record.time >= self._rollout.started:
            took = sum(record.timings.get(stage, 0.0) for stage in _COMPARED)
            said = _Said(record.time, record.versions.get(name, ""), record.labels[name], took, unit(record))
            self._answers[record.request_id] = said

    def shadowed(self, record: ShadowRecord) -> None:
        """Add what the other model said."""
        if record.capability == self._rollout.capability:
            label = record.label if record.error is None else None
            self._shadows[record.request_id] = _Said(record.time, record.version, label, record.ms)

    def settle(self) -> None:
        """Join what both said of a request, in the order of time, and forget what waits for too long."""
        found = [self._pair(request) for request in self._answers.keys() & self._shadows.keys()]
        for pair in sorted((pair for pair in found if pair), key=lambda one: (one.time, one.request_id)):
            self._collector.answered(pair)
        waiting = [*self._answers.values(), *self._shadows.values()]
        last = max((said.time for said in waiting), default=None)
        if last is not None:
            self._answers = {name: one for name, one in self._answers.items() if one.time >= last - PATIENCE}
            self._shadows = {name: one for name, one in self._shadows.items() if one.time >= last - PATIENCE}

    def judged(self, record: FeedbackRecord) -> None:
        """Add what somebody says that an answer should have been."""
        if record.capability == self._rollout.capability:
            self._collector.judged(record.request_id, record.time, record.label)

    def _pair(self, request: str) -> Pair | None:
        """Join the two answers to a request; None: others than the rollout's models gave them."""
        answer, shadow = self._answers.pop(request), self._shadows.pop(request)
        if {answer.version, shadow.version} != {self._rollout.champion, self._rollout.challenger}:
            return None
        by_champion = answer.version == self._rollout.champion
        champion, challenger = (answer, shadow) if by_champion else (shadow, answer)
        comparable = by_champion and challenger.label is not None and champion.ms > 0
        return Pair(
            request_id=request,
            time=answer.time,
            unit=answer.unit,
            champion=champion.label,
            challenger=challenger.label,
            slower=challenger.ms / champion.ms if comparable else None,
        )


def unit(record: PredictionRecord) -> str:
    """What counts once: the creator, else the clip, by its name or its content."""
    if record.creator:
        return f"creator {record.creator}"
    return f"clip {record.clip_id or record.media_sha256 + record.text_sha256 or record.request_id}"
