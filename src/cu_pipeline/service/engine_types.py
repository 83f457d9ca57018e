"""What the HTTP layer and the engine say to each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cu_pipeline.inference.predictor import Prediction


@dataclass(frozen=True)
class ClipRequest:
    """What is asked about one clip."""

    media: Path | None
    caption: str
    told: Mapping[str, str]
    capabilities: tuple[str, ...] | None = None
    explain: bool = False
    key: str = ""


@dataclass(frozen=True)
class Answered:
    """What the engine says of one clip."""

    prediction: Prediction
    timings: dict[str, float]
    media_sha256: str
    text_sha256: str


class OverloadedError(Exception):
    """A lane is full."""

    def __init__(self, lane: str, retry_after_s: int) -> None:
        super().__init__(f"the lane of {lane} is full")
        self.lane = lane
        self.retry_after_s = retry_after_s


class DeadlineError(Exception):
    """It could not be answered in time."""
