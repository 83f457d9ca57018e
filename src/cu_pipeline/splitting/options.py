from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from cu_pipeline.core.addresses import has_password
from cu_pipeline.core.options import Options
from cu_pipeline.ingest.options import FetchOptions
from cu_pipeline.media.options import Limits
from cu_pipeline.sample.options import SampleOptions

Share = Annotated[float, Field(ge=0, le=1)]


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
    """How clips are divided. A new unit's split follows from its name and `salt` alone, and then stays.

    Attributes:
        train: share of units for training.
        validation: share of units for choosing and calibrating.
        test: share of units for measuring.
        salt: another one gives another division.
        common_caption: how many clips have a caption that says nothing about them; a rarer one ties its clips together.
        largest_unit: share of the clips beyond which nothing more is tied to a unit; 20 clips are never too many.
        test_from: units with a clip posted at or after this moment (UTC if it has no zone) are for testing, and all
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


class LanguageOptions(Options):
    """Whether captions are named a language where the feed gives none.

    Attributes:
        enabled: off: only the feed's own tags.
        least_probability: how sure it must be; a less sure caption has no language, since a wrong one is worse.
    """

    enabled: bool = True
    least_probability: Share = 0.6


class CheckOptions(Options):
    """What is warned about.

    Attributes:
        rare_class: a class with fewer clips that people labelled, in any split; 0: never.
    """

    rare_class: int = Field(default=5, ge=0)


def _listed(value: object) -> object:
    """Give sources that stand in one text, with semicolons between them, as a list."""
    return [part.strip() for part in value.split(";") if part.strip()] if isinstance(value, str) else value


def _without_password(place: str) -> str:
    if has_password(place):
        remedy = "Remedy: write {NAME} in its place, and the password into the environment variable NAME"
        raise ValueError(f"a password must not stand in a parameter, since parameters are recorded. {remedy}")
    return place


Place = Annotated[str, Field(min_length=1), AfterValidator(_without_password)]


class CollectOptions(Options):
    """Parameters of the collect pipeline.

    Attributes:
        manifest: where clips come from, one or several sources (a list, or one text with `;` between them) that add up:
            `sample` for the generated feed, `folder:PLACE` for a folder of CLASS/clip.mp4, `webdataset:PLACE` for tar
            shards, `huggingface:PLACE` for a dataset saved on disk, `sql:URL#TABLE` for a database, else the path or
            address of a manifest (CSV, TSV, JSON Lines, Parquet).
        fetch: how media behind addresses are fetched.
        limits: what a media file may cost; one beyond is refused.
        duplicates: when two clips are copies of one another.
        language: of captions.
        split: how clips are divided.
        checks: what is warned about.
        sample: of the generated feed.
    """

    manifest: Annotated[tuple[Place, ...], BeforeValidator(_listed), Field(min_length=1)] = ("sample",)
    fetch: FetchOptions = FetchOptions()
    limits: Limits = Limits()
    duplicates: DuplicateOptions = DuplicateOptions()
    language: LanguageOptions = LanguageOptions()
    split: SplitOptions = SplitOptions()
    checks: CheckOptions = CheckOptions()
    sample: SampleOptions = SampleOptions()
