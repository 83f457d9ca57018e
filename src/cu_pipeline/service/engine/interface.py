"""What the engine is asked, what it gives, and what it needs of others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from cu_pipeline.features.clip_features import Feature
from cu_pipeline.inference.prediction import Prediction, Question


@dataclass(frozen=True)
class ClipRequest:
    """What is asked about one clip.

    Attributes:
        media: its file, if there is one. It must stay until the answer, and until `Engine.shadow` where that is called.
        caption: "" if there is none.
        told: what else is known that scopes may ask.
        capabilities: only these are asked; None: all.
        explain: whether an explanation is wanted.
        key: what a rollout is sticky to, such as the creator; "": the content.
    """

    media: Path | None
    caption: str
    told: Mapping[str, str]
    capabilities: tuple[str, ...] | None = None
    explain: bool = False
    key: str = ""


@dataclass(frozen=True)
class ShadowInput:
    """What was known of a clip when it was answered, for challengers that are asked later.

    Attributes:
        question: about it.
        features: part of the embedding -> its feature of this one clip.
    """

    question: Question
    features: Mapping[str, Feature]


@dataclass(frozen=True)
class Answered:
    """What the engine says of one clip.

    Attributes:
        prediction: of the models.
        timings: milliseconds: queue, decode, encode, score; of a batch those of the whole batch.
        media_sha256: of the file; "" where there is none.
        text_sha256: of the cleaned caption; "" where there is none.
        shadow_input: for `Engine.shadow`; None where there is no challenger.
    """

    prediction: Prediction
    timings: dict[str, float]
    media_sha256: str
    text_sha256: str
    shadow_input: ShadowInput | None = field(default=None, repr=False, compare=False)


class OverloadedError(Exception):
    """More requests wait than can be answered in time.

    Args:
        lane: that is full.
        retry_after_s: whole seconds after which there may be room.
    """

    def __init__(self, lane: str, retry_after_s: int) -> None:
        super().__init__(f"the lane of {lane} is full: try again in {retry_after_s} s")
        self.lane = lane
        self.retry_after_s = retry_after_s


class DeadlineError(Exception):
    """It could not be answered in time."""


class EngineMetrics(Protocol):
    """What the engine tells people on call."""

    def batch(self, stage: str, size: int) -> None:
        """So many clips were worked on together."""

    def queue(self, lane: str, waiting: int) -> None:
        """So many requests are in a lane."""

    def decoder_restart(self) -> None:
        """A decoding process took the place of one that failed."""

    def shadow(self, capability: str, agrees: bool, seconds: float) -> None:
        """A challenger answered beside the champion."""


class Router(Protocol):
    """Says which challengers there are, and whom they answer."""

    def challengers(self) -> Mapping[str, Path]:
        """The folder of each challenger's bundle, by capability."""

    def role(self, capability: str, key: str) -> Literal["champion", "challenger"]:
        """Who answers a request."""

    def shadowed(self, capability: str) -> bool:
        """Whether the challenger is asked too, after the answer."""
