from typing import Annotated

from pydantic import Field, field_validator

from cu_pipeline.core.options import Options


class CurveOptions(Options):
    """How a learning curve is measured.

    Attributes:
        seconds: for each capability, after which no larger share is begun; 0: there is no curve.
        shares: of the units to learn from, growing.
        orders: in which units come; each keeps another part of them to be asked about.
        more_clips: further labelled clips whose worth is forecast.
    """

    seconds: float = Field(10.0, ge=0)
    shares: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)] = (0.125, 0.25, 0.5, 1.0)
    orders: int = Field(3, ge=2, le=20)
    more_clips: int = Field(1000, ge=1)

    @field_validator("shares")
    @classmethod
    def _growing(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if list(shares) != sorted(set(shares)):
            raise ValueError(f"shares {list(shares)} do not grow: write the smallest first, each once")
        return shares


class InsightOptions(Options):
    """What is told of a model beside its numbers.

    Attributes:
        learning_curve: how it is measured.
        errors: the surest mistakes on test clips that are kept, at most.
    """

    learning_curve: CurveOptions = Field(default_factory=CurveOptions)
    errors: int = Field(24, ge=0, le=200)
