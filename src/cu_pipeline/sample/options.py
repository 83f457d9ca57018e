from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, field_validator

from cu_pipeline.core.options import Options
from cu_pipeline.sample.world import ANNOTATORS, NEW_TOPIC, TOPICS

Share = Annotated[float, Field(ge=0, le=1)]


class Alteration(StrEnum):
    """What was done to a clip that was uploaded again."""

    REENCODED = "reencoded"
    CROPPED = "cropped"
    RECAPTIONED = "recaptioned"
    RESIZED = "resized"
    MIRRORED = "mirrored"
    TRIMMED = "trimmed"
    WATERMARKED = "watermarked"


class Drift(Options):
    """How the feed has changed: for each kind of change the share of clips that have it.

    Attributes:
        new_topic: clips of a topic that was never there.
        new_style: clips in a new visual style.
        new_slang: captions in new slang, with new hashtags.
        mix: clips whose topic follows other proportions.
    """

    new_topic: Share = 0.0
    new_style: Share = 0.0
    new_slang: Share = 0.0
    mix: Share = 0.0

    @property
    def active(self) -> bool:
        """Whether anything has changed."""
        return any(self.model_dump().values())


class SampleOptions(Options):
    """The sample world. A clip depends on `seed`, its number and the drift, never on how many clips there are.

    Attributes:
        clips: original clips, the ones below not counted.
        seed: the world: its creators, annotators and clips.
        first: number of the first clip; a later one gives a later part of the same endless feed.
        start: when clip number 0 was posted, ISO 8601.
        hours_between: between two clips on average.
        creators: accounts that post.
        near_duplicates: altered copies of clips, as a share of `clips`.
        alterations: what is done to the copies, in turn.
        broken: rows that must be refused, one of each kind in turn.
        annotators: people who label, each with a known error rate; at most 8.
        unlabelled: share of clips that no person has looked at.
        gold: share of the others that were drawn at random for an expert, whose `label` columns hold the truth.
        drift: how the feed differs from the original world.
    """

    clips: int = Field(600, ge=1, le=1_000_000)
    seed: int = Field(17, ge=0)
    first: int = Field(0, ge=0)
    start: str = "2026-03-02T08:00:00Z"
    hours_between: float = Field(6.0, gt=0)
    creators: int = Field(150, ge=1)
    near_duplicates: Share = 0.05
    alterations: tuple[Alteration, ...] = tuple(Alteration)
    broken: int = Field(6, ge=0)
    annotators: int = Field(5, ge=0, le=len(ANNOTATORS))
    unlabelled: Share = 0.12
    gold: Share = 0.4
    drift: Drift = Drift()

    @field_validator("start")
    @classmethod
    def _is_instant(cls, start: str) -> str:
        remedy = "write an ISO 8601 instant with its zone, for example 2026-03-02T08:00:00Z"
        try:
            instant = datetime.fromisoformat(start)
        except ValueError as error:
            raise ValueError(f"start {start!r} is not a date: {remedy}") from error
        if instant.tzinfo is None:
            raise ValueError(f"start {start!r} has no time zone: {remedy}")
        return start

    @field_validator("alterations")
    @classmethod
    def _some(cls, alterations: tuple[Alteration, ...]) -> tuple[Alteration, ...]:
        if not alterations:
            allowed = ", ".join(Alteration)
            raise ValueError(f"alterations is empty: name at least one of {allowed}, or set near_duplicates: 0")
        return alterations

    def following(self, clips: int, drift: Drift | None = None) -> "SampleOptions":
        """Ask for the part of the feed that comes right after this one, with other clips and later dates.

        Args:
            clips: how many original clips it has.
            drift: how it differs; without it, it does not.
        """
        changes = {"first": self.first + self.clips, "clips": clips, "drift": drift or Drift()}
        return self.model_copy(update=changes)

    @property
    def classes(self) -> tuple[str, ...]:
        """The topics that annotators of this feed choose from."""
        return (*TOPICS, NEW_TOPIC) if self.drift.new_topic else TOPICS
