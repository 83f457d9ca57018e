from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from cu_pipeline.core.options import Options, Share


def in_utc(value: object) -> datetime:
    """Read a moment in ISO 8601; one without a zone is in UTC.

    >>> in_utc("2026-03-01").isoformat()
    '2026-03-01T00:00:00+00:00'
    """
    if not isinstance(value, str | datetime):
        raise ValueError(f"{value!r} is not ISO 8601, such as 2026-03-01")
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class SplitOptions(Options):
    """How clips are divided. A new group's split follows from its name and `salt` alone, and then stays.

    Attributes:
        train: share of groups for training.
        validation: share of groups for choosing and calibrating.
        test: share of groups for measuring.
        salt: another one gives another division.
        common_caption: how many clips have a caption that says nothing about them; a rarer one ties its clips together.
        largest_unit: share of the clips beyond which nothing more is tied to a group; 20 clips are never too many.
        test_from: groups with a clip posted at or after this moment (UTC if it has no zone) are for testing, and all
            others for training and validation in the proportion of their shares. None: `test` is a share too.
    """

    train: Share = 0.70
    validation: Share = 0.15
    test: Share = 0.15
    salt: str = "17"
    common_caption: int = Field(default=10, ge=2)
    largest_unit: float = Field(default=0.02, gt=0, le=1)
    test_from: Annotated[datetime, BeforeValidator(in_utc)] | None = None

    @model_validator(mode="after")
    def _sum_to_one(self) -> "SplitOptions":
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            shares = f"train {self.train}, validation {self.validation}, test {self.test}"
            raise ValueError(f"shares {shares} sum to {total:g}: make them sum to 1")
        if self.test_from is not None and not self.train:
            raise ValueError(
                f"with test_from {self.test_from} the share of train is 0: nothing would be left to learn from"
            )
        return self

    @property
    def least_share(self) -> float:
        """The smaller share of validation and test, of those that are not 0."""
        return min((share for share in (self.validation, self.test) if share), default=1.0)
