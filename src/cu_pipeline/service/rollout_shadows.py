"""What the prediction log keeps of the model that did not answer: a rollout compares it with the one that did."""

from datetime import UTC, datetime
from typing import Protocol

from cu_pipeline.inference.prediction_log import ShadowRecord
from cu_pipeline.inference.scoring import ModelAnswer
from cu_pipeline.service.engine.interface import Answered


class Challenging(Protocol):
    """The part of the engine that asks challengers."""

    async def shadow(self, answered: Answered) -> dict[str, ModelAnswer]:
        """Ask challengers about a clip that was answered."""
        ...


async def shadow_records(engine: Challenging, request_id: str, answered: Answered) -> list[ShadowRecord]:
    """Ask the other model of each rollout about a clip that was answered; none where no rollout runs.

    Args:
        engine: that answered.
        request_id: of the request, or of the clip in it.
        answered: what it said; the clip's media must still be there.
    """
    others = await engine.shadow(answered)
    standing = answered.prediction.champions
    found = {name: one for name, one in others.items() if name not in standing} | standing
    return [
        ShadowRecord(
            time=datetime.now(UTC),
            request_id=request_id,
            capability=name,
            label=one.label,
            probabilities=one.probabilities,
            version=one.version,
            ms=one.ms,
            error=one.error or None,
        )
        for name, one in found.items()
    ]
