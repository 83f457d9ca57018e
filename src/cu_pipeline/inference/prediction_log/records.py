"""The records of the prediction log, and the lines that they are in a file."""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeFloat,
    NonNegativeInt,
    PlainSerializer,
    ValidationError,
)

REPLAY_HEADER: Final = "X-Cu-Pipeline-Replay"
"""Header by which the product's own requests say that they are no traffic."""

Vector = npt.NDArray[np.float32]

Probability = Annotated[FiniteFloat, Field(ge=0, le=1)]


def _storable(value: Any) -> Any:
    """Replace what UTF-8 or PostgreSQL cannot hold: halves of surrogate pairs and NUL."""
    if isinstance(value, str) and (not value.isascii() or "\0" in value):
        return value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    return value


def _payload(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"an embedding is base64 text, not {value[:20]!r}") from error


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


Text = Annotated[str, BeforeValidator(_storable)]
Identifier = Annotated[str, BeforeValidator(_storable), Field(min_length=1)]
Embedding = Annotated[bytes, BeforeValidator(_payload), PlainSerializer(_base64, when_used="json")]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    time: AwareDatetime
    request_id: Identifier


class PredictionRecord(_Record):
    """One answered request.

    Attributes:
        time: when it was answered, UTC.
        request_id: unique; ties the record to the service's own logs and answers, to shadows and to feedback.
        labels: capability -> predicted label.
        probabilities: capability -> class -> probability.
        versions: capability -> version of the model that answered.
        embedding: of the clip, as little-endian float16; `encode_embedding` makes it. Base64 in a line.
        parts: widths of the embedding's parts by what made them, in order; empty in records of earlier versions.
        facts: duration_s, width, height, fps, bytes, has_sound (1 or 0), text_length and the like, None where a clip
            has none; `language` of the caption, `client` and `decoder`, texts.
        clip_id: what the client calls the clip; "": it did not say.
        creator: who made the clip, by the client; "": it did not say.
        media_sha256: of the video, as the tables of clips have it; "": there was none.
        text_sha256: of the caption, as the tables of clips have it; "": there was none.
        roles: capability -> "champion" or "challenger", whose answer it was.
        timings: stage -> milliseconds.
        caption: None, its SHA-256 or its text, by the log's options.
        replay: one of the product's own clips, sent to try the service out: no traffic.
    """

    labels: dict[Text, Text]
    probabilities: dict[Text, dict[Text, Probability]]
    versions: dict[Text, Text]
    embedding: Embedding
    parts: dict[Text, NonNegativeInt] = Field(default_factory=dict)
    facts: dict[Text, FiniteFloat | Text | None]
    clip_id: Text = ""
    creator: Text = ""
    media_sha256: Text = ""
    text_sha256: Text = ""
    roles: dict[Text, Text] = Field(default_factory=dict)
    timings: dict[Text, FiniteFloat] = Field(default_factory=dict)
    caption: Text | None = None
    replay: bool = False

    def vector(self) -> Vector:
        """The embedding, float32 of shape (dimensions,).

        Raises:
            ValueError: it is not whole, finite float16 numbers.
        """
        return decode_embedding(self.embedding)


class ShadowRecord(_Record):
    """What the model that did not answer says of a request: the challenger, or in a canary the champion.

    Attributes:
        time: when it was asked, UTC.
        request_id: of the answer.
        capability: that was asked about.
        label: the predicted label; "" after an error.
        probabilities: class -> probability; empty after an error.
        version: of that model.
        ms: milliseconds that it took.
        error: why it gave no answer; None where it did.
    """

    capability: Text
    label: Text
    probabilities: dict[Text, Probability]
    version: Text
    ms: NonNegativeFloat
    error: Text | None = None


class FeedbackRecord(_Record):
    """What a person says that an answer should have been.

    Attributes:
        time: when it came, UTC.
        request_id: of the answer.
        capability: that it is about.
        label: as in the tables of labels: classes joined by `|`.
        annotator: who says so; "": unknown.
        comment: in their words.
        feedback_id: unique; one is made where none is given.
    """

    capability: Text
    label: Text
    annotator: Text = ""
    comment: Text = ""
    feedback_id: Identifier = Field(default_factory=lambda: uuid4().hex)


class SkippedRecord(_Record):
    """An answer that the sample leaves out: that there was one is kept, and feedback on it is taken."""


class RefusalRecord(_Record):
    """How many requests one process refused for a reason in a minute.

    Attributes:
        time: the minute's start, UTC.
        request_id: names the record; it is no request's.
        reason: the refusal's stable code.
        requests: how many.
    """

    reason: Identifier
    requests: NonNegativeInt


Record = PredictionRecord | ShadowRecord | FeedbackRecord | SkippedRecord | RefusalRecord

_KINDS: Final[Mapping[str, type[Record]]] = {
    "prediction": PredictionRecord,
    "shadow": ShadowRecord,
    "feedback": FeedbackRecord,
    "skipped": SkippedRecord,
    "refusal": RefusalRecord,
}
"""What a line calls a record."""

_NAMES: Final = {model: name for name, model in _KINDS.items()}
_STARTS: Final = {f'{{"{name}":'.encode(): model for name, model in _KINDS.items()}


def to_line(record: Record) -> bytes:
    r"""Write a record as a line of a spool file: `{"prediction": {…}}`, ended.

    >>> from datetime import UTC, datetime
    >>> record = SkippedRecord(time=datetime(2026, 3, 4, tzinfo=UTC), request_id="r1")
    >>> to_line(record)
    b'{"skipped":{"time":"2026-03-04T00:00:00Z","request_id":"r1"}}\n'
    >>> from_line(to_line(record)) == record
    True
    """
    return f'{{"{_NAMES[type(record)]}":{record.model_dump_json()}}}\n'.encode()


def from_line(line: bytes) -> Record | None:
    """Read a line, also one of the files by day of earlier versions; None where it is torn or no record."""
    line = line.strip()
    start, _, _ = line[:16].partition(b":")
    model = _STARTS.get(start + b":")
    try:
        if model is not None:
            record: Record = model.model_validate_json(line[len(start) + 1 : -1])
        else:
            record = PredictionRecord.model_validate_json(line)
        if isinstance(record, PredictionRecord):
            record.vector()
    except (ValidationError, ValueError):
        return None
    return record


def encode_embedding(vector: npt.NDArray[np.floating]) -> bytes:
    """The stored form of an embedding: little-endian float16; beyond its range, its largest.

    >>> decode_embedding(encode_embedding(np.array([0.5, -2.0]))).tolist()
    [0.5, -2.0]
    """
    limit = float(np.finfo(np.float16).max)
    return np.clip(vector, -limit, limit).astype("<f2").tobytes()


def decode_embedding(payload: bytes) -> Vector:
    """The embedding that a stored form means, float32 of shape (dimensions,).

    Raises:
        ValueError: it is not whole, finite float16 numbers.
    """
    vector = np.frombuffer(payload, dtype="<f2").astype(np.float32)
    if not np.isfinite(vector).all():
        raise ValueError("an embedding holds finite numbers only")
    return vector
