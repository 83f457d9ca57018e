"""What a capability's answers shall keep to: a precision or recall of each class, and when no answer is given."""

from enum import StrEnum

from pydantic import Field

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
    """

    target: GoalTarget | None = None
    at_least: float = Field(0.9, gt=0, lt=1)
    confidence: float = Field(0.95, ge=0.5, lt=1)
    abstain_below: float = Field(0.0, ge=0, lt=1)

    @property
    def is_set(self) -> bool:
        """Whether anything is decided otherwise than by default."""
        return self.target is not None or self.abstain_below > 0
