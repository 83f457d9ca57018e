"""A clip with what is asked of it, and what the models say of it."""

from dataclasses import dataclass, field
from pathlib import Path

from cu_pipeline.features.extractor import Vectors
from cu_pipeline.inference.clip_reading import Decoded
from cu_pipeline.inference.explanation import Explanation
from cu_pipeline.inference.scoring import ModelAnswer


@dataclass(frozen=True)
class Prediction:
    """What the models say of one clip.

    Attributes:
        probabilities: capability -> class -> probability, of those that are asked and apply to the clip.
        labels: capability -> label; several classes joined by "|"; likewise.
        versions: capability -> version of the bundle that answers, of all that are asked.
        embedding: float32 (width), the mean of each vector feature that any model asked reads; zeros where there is
            none.
        parts: widths of the embedding's parts, by `part_name`, in order.
        facts: duration_s, width, height, fps, bytes, has_sound, text_length; media facts only with media.
        not_applicable: capability -> why it does not apply to the clip.
        sets: capability -> classes that the clip may be, the likeliest first; of those whose models tell.
        challengers: capability -> what the challenger says, where it was to answer.
        champions: capability -> what the champion says, where the challenger's answer stands.
        roles: capability -> "champion" or "challenger": whose answer stands.
        explanation: where it was asked.
    """

    probabilities: dict[str, dict[str, float]]
    labels: dict[str, str]
    versions: dict[str, str]
    embedding: Vectors
    parts: dict[str, int]
    facts: dict[str, float] = field(default_factory=dict)
    not_applicable: dict[str, str] = field(default_factory=dict)
    sets: dict[str, list[str]] = field(default_factory=dict)
    challengers: dict[str, ModelAnswer] = field(default_factory=dict)
    champions: dict[str, ModelAnswer] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    explanation: Explanation | None = None


@dataclass(frozen=True)
class Question:
    """One clip, and what is asked of it.

    Attributes:
        media: the video file, if there is one.
        text: the caption, cleaned; "" if there is none.
        asked: the capabilities that are asked.
        not_applicable: those of them that do not apply to the clip, and why.
        challenged: those of them that the challenger answers.
        parts: of the embedding that champions need.
        further: that only the challengers need.
        explain: whether an explanation is wanted.
    """

    media: Path | None
    text: str
    asked: tuple[str, ...]
    not_applicable: dict[str, str]
    challenged: tuple[str, ...]
    parts: tuple[str, ...]
    further: tuple[str, ...]
    explain: bool = False

    def is_about(self, capability: str) -> bool:
        """Tell whether a capability's model has to answer."""
        return capability in self.asked and capability not in self.not_applicable


@dataclass(frozen=True)
class ReadClip:
    """A question, and what was read of its media.

    Attributes:
        question: about the clip.
        decoded: None where there is no media.
    """

    question: Question
    decoded: Decoded | None = None
