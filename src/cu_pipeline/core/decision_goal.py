"""What a capability's answers shall keep to: a precision or recall, a coverage of sets, and when none is given."""

from enum import StrEnum
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from cu_pipeline.core.options import Options


class GoalTarget(StrEnum):
    """What shall be at least so high, for each class."""

    PRECISION = "precision"
    RECALL = "recall"


class DecisionGoal(Options):
    """Which answers a model gives.

    Attributes:
        target: what each class's threshold is set for; None: a single-label answer is the likeliest class, and each
            class of several holds over the threshold with the best F1.
        at_least: of the target, on clips of new units.
        confidence: with which that is kept, of each class.
        abstain_below: probability of the likeliest class up to which a single-label model gives no answer.
        set_coverage: share of clips of new units whose class is in the set of classes that a single-label model gives
            beside its answer; None: it gives no set.
    """

    target: GoalTarget | None = None
    at_least: float = Field(0.9, gt=0, lt=1)
    confidence: float = Field(0.95, ge=0.5, lt=1)
    abstain_below: float = Field(0.0, ge=0, lt=1)
    set_coverage: float | None = Field(None, gt=0, lt=1)

    @model_serializer(mode="wrap")
    def _without_sets(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write a goal without sets as before there were any: files and hashes stay the same."""
        written: dict[str, Any] = write(self)
        if self.set_coverage is None:
            written.pop("set_coverage", None)
        return written

    @property
    def is_set(self) -> bool:
        """Whether anything is decided otherwise than by default."""
        return self.may_abstain or self.set_coverage is not None

    @property
    def may_abstain(self) -> bool:
        """Whether a single-label model may give no answer."""
        return self.target is not None or self.abstain_below > 0
