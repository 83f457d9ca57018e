"""The bodies of answers, and how they are made of predictions."""

import base64
from collections.abc import Mapping
from typing import Final, Literal

from pydantic import BaseModel, Field

from cu_pipeline.core.capability import ABSTAIN, Kind
from cu_pipeline.core.decision import THRESHOLD
from cu_pipeline.inference.explanation import Explanation
from cu_pipeline.inference.prediction import Prediction
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.service.refusal import Problem

_DECIMALS: Final = 3


class Answer(BaseModel):
    """What one capability's model says about a clip."""

    label: str = Field(description="the decision; classes of a multi-label capability are joined by '|', or 'none'")
    abstained: bool = Field(description="whether no class was sure enough; the label is 'abstain' then")
    probabilities: dict[str, float] = Field(description="class -> calibrated probability, the `top_k` likeliest")
    thresholds: dict[str, float] = Field(
        description="class -> probability over which it is answered; of a single-label capability only where set"
    )
    model_version: str = Field(description="content hash of the bundle that answered")
    prediction_set: list[str] | None = Field(
        default=None, description="classes that it may be, the likeliest first, where the capability asks for sets"
    )
    role: Literal["champion", "challenger"] | None = Field(
        default=None, description="whose model answered; the challenger's does for a share while a rollout is on"
    )


class NotApplicable(BaseModel):
    """What is said of a capability that does not apply to the clip: nothing."""

    applicable: Literal[False] = False
    reason: str = Field(description="what its scope asks, and what the clip is")
    model_version: str = Field(description="content hash of the bundle that would have answered")


class ExplainedFrame(BaseModel):
    """One frame that was looked at."""

    time_s: float = Field(description="seconds into the clip")
    jpeg: str = Field(description="a small picture, base64")


class Explained(BaseModel):
    """What the models saw and read, and what they would say without a part of it."""

    frames: list[ExplainedFrame]
    screen_text: str = Field(description="what was read on screen; empty where no model reads it")
    without: dict[str, dict[str, dict[str, float]]] = Field(
        description="capability -> modality -> class -> probability when that modality is hidden"
    )


class Classification(BaseModel):
    """The answer to `POST /classify`."""

    request_id: str = Field(description="as in the header X-Request-Id, and in the prediction log")
    clip_id: str | None = Field(default=None, description="as the request told it")
    capabilities: dict[str, Answer | NotApplicable]
    explanation: Explained | None = None
    timings: dict[str, float] = Field(description="milliseconds of each step")
    service_version: str


class ItemRefusal(BaseModel):
    """One clip of a batch that is not answered."""

    request_id: str
    status: int = Field(description="what `/classify` would have answered")
    error: str
    reason: str
    detail: list[Problem] | None = None


class BatchAnswer(BaseModel):
    """The answer to `POST /classify_batch`: one result a clip, in their order."""

    request_id: str
    results: list[Classification | ItemRefusal]
    service_version: str


class Embedding(BaseModel):
    """The answer to `POST /embed`."""

    request_id: str
    clip_id: str | None = None
    embedding: list[float] = Field(
        description="the vector features of the clip one after the other; zeros where absent"
    )
    parts: dict[str, int] = Field(description="feature -> its width, in order")
    timings: dict[str, float] = Field(description="milliseconds of each step")
    service_version: str


def classification(
    prediction: Prediction,
    bundles: Mapping[str, Bundle],
    *,
    request_id: str,
    clip_id: str | None,
    timings: Mapping[str, float],
    version: str,
    top_k: int | None = None,
) -> Classification:
    """Say what a prediction holds.

    Args:
        prediction: of the clip.
        bundles: by version, those that answered.
        request_id: of the request.
        clip_id: as the request told it.
        timings: milliseconds.
        version: of the service.
        top_k: classes to tell.
    """
    return Classification(
        request_id=request_id,
        clip_id=clip_id,
        capabilities={name: answer_of(prediction, name, bundles, top_k) for name in prediction.versions},
        explanation=None if prediction.explanation is None else explained(prediction.explanation),
        timings=rounded(timings),
        service_version=version,
    )


def answer_of(
    prediction: Prediction, name: str, bundles: Mapping[str, Bundle], top_k: int | None = None
) -> Answer | NotApplicable:
    """Say what a prediction holds about one capability."""
    version = prediction.versions[name]
    if reason := prediction.not_applicable.get(name):
        return NotApplicable(reason=reason, model_version=version)
    label = prediction.labels[name]
    return Answer(
        label=label,
        abstained=label == ABSTAIN,
        probabilities=likeliest(prediction.probabilities[name], top_k),
        thresholds=thresholds_of(bundles[version]) if version in bundles else {},
        model_version=version,
        prediction_set=prediction.sets.get(name),
        role=prediction.roles.get(name),
    )


def likeliest(probabilities: Mapping[str, float], top_k: int | None) -> dict[str, float]:
    """Keep the likeliest classes, the likeliest first; all in their own order where no number is given.

    >>> likeliest({"a": 0.2, "b": 0.5, "c": 0.3}, 2)
    {'b': 0.5, 'c': 0.3}
    """
    if top_k is None:
        return dict(probabilities)
    return dict(sorted(probabilities.items(), key=lambda one: -one[1])[:top_k])


def thresholds_of(bundle: Bundle) -> dict[str, float]:
    """The probability over which each class is answered, as far as there is one."""
    if bundle.kind is Kind.MULTI:
        return {name: bundle.thresholds.get(name, THRESHOLD) for name in bundle.classes}
    return dict(bundle.thresholds)


def rounded(timings: Mapping[str, float]) -> dict[str, float]:
    """Timings to the microsecond."""
    return {name: round(value, _DECIMALS) for name, value in timings.items()}


def explained(explanation: Explanation) -> Explained:
    """Write an explanation for an answer."""
    frames = [
        ExplainedFrame(time_s=round(time, _DECIMALS), jpeg=base64.b64encode(jpeg).decode("ascii"))
        for time, jpeg in explanation.frames
    ]
    return Explained(frames=frames, screen_text=explanation.screen_text, without=explanation.without)
