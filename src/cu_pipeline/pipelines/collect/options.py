from typing import Annotated

from pydantic import Field, model_validator

from cu_pipeline.core.options import Options
from cu_pipeline.media.options import Limits
from cu_pipeline.sample.options import SampleOptions

Share = Annotated[float, Field(ge=0, le=1)]


class SplitOptions(Options):
    """How clips are divided. A unit's split follows from its name and `salt` alone.

    Attributes:
        train: share of units for training.
        validation: share of units for choosing and calibrating.
        test: share of units for measuring.
        salt: another one gives another division.
    """

    train: Share = 0.70
    validation: Share = 0.15
    test: Share = 0.15
    salt: str = "17"

    @model_validator(mode="after")
    def _sum_to_one(self) -> "SplitOptions":
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            shares = f"train {self.train}, validation {self.validation}, test {self.test}"
            raise ValueError(f"shares {shares} sum to {total:g}: make them sum to 1")
        return self


class CollectOptions(Options):
    """Parameters of the collect pipeline.

    Attributes:
        manifest: `sample` for the generated feed, else a manifest's path or URI (CSV, TSV, JSON Lines, Parquet).
        limits: what a media file may cost; one beyond is refused.
        split: how clips are divided.
        sample: of the generated feed.
    """

    manifest: str = "sample"
    limits: Limits = Limits()
    split: SplitOptions = SplitOptions()
    sample: SampleOptions = SampleOptions()
