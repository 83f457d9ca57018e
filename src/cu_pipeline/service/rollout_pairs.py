"""Puts the prediction log's records together: both models' answers to a request, and the feedback on it."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from cu_pipeline.inference.prediction_log import FeedbackRecord, PredictionRecord, ShadowRecord
from cu_pipeline.rollout.evidence import Collector, Evidence, Pair
from cu_pipeline.rollout.plan import Rollout

PATIENCE: Final = timedelta(hours=1)
"""How long an answer waits for the other model's: what was not logged by then was lost."""

_COMPARED: Final = ("encode", "score")
"""Stages of an answer that a challenger goes through again; queueing and decoding are shared."""


class Pairing:
    """Evidence of one rollout, as records come in.

    Args:
        rollout: that runs.
    """

    def __init__(self, rollout: Rollout) -> None:
        self._rollout = rollout
        self._collector = Collector(rollout.limits.latency)
        self._answers: dict[str, PredictionRecord] = {}
        self._shadows: dict[str, ShadowRecord] = {}

    @property
    def evidence(self) -> Evidence:
        """All so far."""
        return self._collector.evidence

    def add(self, answers: Iterable[PredictionRecord | ShadowRecord], feedback: Iterable[FeedbackRecord]) -> None:
        """Add records; those that were added before change nothing."""
        name = self._rollout.capability
        for record in answers:
            if isinstance(record, PredictionRecord):
                if name in record.labels:
                    self._answers[record.request_id] = record.model_copy(update={"embedding": b"", "facts": {}})
            elif record.capability == name:
                self._shadows[record.request_id] = record
        pairs = [self._pair(request) for request in self._answers.keys() & self._shadows.keys()]
        for pair in sorted((pair for pair in pairs if pair), key=lambda one: (one.time, one.request_id)):
            self._collector.answered(pair)
        self._forget_old()
        for told in feedback:
            if told.capability == name:
                self._collector.judged(told.request_id, told.time, told.label)

    def _pair(self, request: str) -> Pair | None:
        """Join the two answers to a request; None: others than the rollout's models gave them."""
        answer, shadow = self._answers.pop(request), self._shadows.pop(request)
        served = answer.versions.get(self._rollout.capability)
        if {served, shadow.version} != {self._rollout.champion, self._rollout.challenger}:
            return None
        label = answer.labels[self._rollout.capability]
        other = shadow.label if shadow.error is None else None
        took = sum(answer.timings.get(stage, 0.0) for stage in _COMPARED)
        by_champion = served == self._rollout.champion
        return Pair(
            request_id=request,
            time=answer.time,
            unit=unit(answer),
            champion=label if by_champion else other,
            challenger=other if by_champion else label,
            slower=shadow.ms / took if by_champion and other is not None and took > 0 else None,
        )

    def _forget_old(self) -> None:
        waiting = [*self._answers.values(), *self._shadows.values()]
        if not waiting:
            return
        last = max(record.time for record in waiting) - PATIENCE
        self._answers = {name: one for name, one in self._answers.items() if one.time >= last}
        self._shadows = {name: one for name, one in self._shadows.items() if one.time >= last}


def unit(record: PredictionRecord) -> str:
    """What counts once: the creator, else the clip, by its name or its content."""
    if record.creator:
        return f"creator {record.creator}"
    return f"clip {record.clip_id or record.media_sha256 + record.text_sha256 or record.request_id}"
