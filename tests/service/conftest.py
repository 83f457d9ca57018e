from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.inference.predictor import Prediction


@dataclass
class StandInBundle:
    version: str = "abc123abc123"
    kind: Kind = Kind.SINGLE
    classes: tuple[str, ...] = ("cooking", "sport")


@dataclass
class StandInPredictor:
    """Answers like the real one without models; a video of the bytes `broken` is refused."""

    bundles: dict[str, StandInBundle] = field(default_factory=lambda: {"topic": StandInBundle()})
    seen: list[tuple[bytes | None, str]] = field(default_factory=list)
    closed: bool = False

    def predict(self, media: Path | None, text: str) -> Prediction:
        content = None if media is None else media.read_bytes()
        self.seen.append((content, text))
        if content == b"broken":
            raise BadClipError(Reason.NOT_MEDIA, "not a media file")
        return Prediction(
            probabilities={"topic": {"cooking": 0.25, "sport": 0.75}},
            labels={"topic": "sport"},
            versions={"topic": "abc123abc123"},
            embedding=np.arange(1664, dtype=np.float32),
            parts={"frames@1a": 1280, "captions@2b": 384},
            facts={"text_length": float(len(text)), "fps": float("nan")},
        )

    def close(self) -> None:
        self.closed = True


@pytest.fixture(scope="module")
def stand_in():
    return StandInPredictor()


@pytest.fixture
def predictor(stand_in):
    stand_in.seen.clear()
    return stand_in
