"""What must stand in a line of the ledger of iterations, which people may edit, so that the loop can go by it."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, model_validator


def _moment(value: str) -> str:
    """Refuse what is no time with its offset from UTC, such as 2026-11-27T02:45:09+00:00."""
    if datetime.fromisoformat(value).tzinfo is None:
        raise ValueError("a time needs its offset from UTC, such as +00:00")
    return value


Moment = Annotated[str, AfterValidator(_moment)]


class _Part(BaseModel):
    """A part of a line: what is read of it has its type, and what others wrote beside it stays."""

    model_config = ConfigDict(strict=True, extra="allow")


class CheckedCost(_Part):
    """What an iteration cost."""

    committed_usd: FiniteFloat = 0.0
    paid_usd: FiniteFloat = 0.0
    requested: int = 0
    asked: int = 0
    answered: int = 0


class CheckedEffect(_Part):
    """What an iteration found of a capability."""

    serves: str | None = None
    fit: bool | None = None
    clips: int = 0
    right: int = 0
    accuracy: float | None = None
    promised: float | None = None
    effect: float | None = None
    fresh_effect: float | None = None
    fresh_clips: int | None = None
    fresh_units: int = 0
    fresh_interval: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    fresh_freedom: float | None = None

    @model_validator(mode="after")
    def _tells_the_middle_of_an_interval(self) -> Self:
        if self.fresh_interval is not None and self.fresh_effect is None:
            raise ValueError("fresh_interval stands there without fresh_effect")
        return self


class CheckedCause(_Part):
    """Why there was an iteration."""

    kind: str = ""
    in_words: str = ""


class CheckedLine(_Part):
    """A line, as `IterationLine` describes it."""

    number: int
    started: Moment
    ended: Moment
    action: str
    outcome: str
    reason: str
    cause: CheckedCause = CheckedCause()
    look: str = ""
    window: dict[str, Moment] = Field(default_factory=dict)
    cost: CheckedCost = CheckedCost()
    effect: dict[str, CheckedEffect] = Field(default_factory=dict)
    quality: dict[str, float] = Field(default_factory=dict)
    seconds: dict[str, FiniteFloat] = Field(default_factory=dict)
    run_id: str = ""
    actor: str = ""
