from typing import Annotated

from pydantic import Field, model_validator

from cu_pipeline.core.options import Options
from cu_pipeline.media.options import Limits
from cu_pipeline.sample.options import SampleOptions

Share = Annotated[float, Field(ge=0, le=1)]


class SplitOptions(Options):
    """How clips are divided. A new unit's split follows from its name and `salt` alone, and then stays.

    Attributes:
        train: share of units for training.
        validation: share of units for choosing and calibrating.
        test: share of units for measuring.
        salt: another one gives another division.
        common_caption: how many clips have a caption that says nothing about them; a rarer one ties its clips together.
    """

    train: Share = 0.70
    validation: Share = 0.15
    test: Share = 0.15
    salt: str = "17"
    common_caption: int = Field(default=10, ge=2)

    @model_validator(mode="after")
    def _sum_to_one(self) -> "SplitOptions":
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            shares = f"train {self.train}, validation {self.validation}, test {self.test}"
            raise ValueError(f"shares {shares} sum to {total:g}: make them sum to 1")
        return self


class DuplicateOptions(Options):
    """When two clips count as copies of one another. Distances are mean differing bits of 256 over matched frames.

    Attributes:
        visual_bits: largest distance when the captions say nothing.
        captioned_bits: largest distance when the captions are alike.
        caption_similarity: shared three-letter runs (Jaccard) from which captions are alike.
    """

    visual_bits: float = Field(default=31, ge=0, le=128)
    captioned_bits: float = Field(default=56, ge=0, le=128)
    caption_similarity: Share = 0.6


class CollectOptions(Options):
    """Parameters of the collect pipeline.

    Attributes:
        manifest: `sample` for the generated feed, `folder:PLACE` for a folder of CLASS/clip.mp4, else the path or URI
            of a manifest (CSV, TSV, JSON Lines, Parquet).
        limits: what a media file may cost; one beyond is refused.
        duplicates: when two clips are copies of one another.
        split: how clips are divided.
        sample: of the generated feed.
    """

    manifest: str = "sample"
    limits: Limits = Limits()
    duplicates: DuplicateOptions = DuplicateOptions()
    split: SplitOptions = SplitOptions()
    sample: SampleOptions = SampleOptions()
