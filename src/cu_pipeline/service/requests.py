"""What the service takes and answers: the guard before it, the form of a request, the bodies of answers."""

import json
import re
import shutil
import uuid
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import bentoml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from cu_pipeline.core.caption_text import clean_caption
from cu_pipeline.core.scope import METADATA, Language, metadata_text
from cu_pipeline.service.refusal import Application, Message, Receive, Scope, Send, refuse

if TYPE_CHECKING:
    from starlette.datastructures import UploadFile
    from starlette.requests import Request

    from cu_pipeline.inference.predictor import Prediction
    from cu_pipeline.models.bundle import Bundle


MAX_CAPTION: Final = 20_000
"""Characters; the longest captions that platforms allow are a tenth of it."""


MAX_FACT: Final = 2_000
"""Characters of a feed's or a language's name."""

_TEXTS: Final = ("caption", "feed", "lang", "metadata")
"""Fields of a form that are no file."""


def told(feed: str | None, lang: str | None, metadata: dict[str, Any] | None) -> dict[str, str]:
    """Collect what a request tells beside its content, by the names that scopes look at."""
    facts = {name: value for name, value in (("feed", feed), ("lang", lang)) if value is not None}
    return facts | {METADATA + key: metadata_text(value) for key, value in (metadata or {}).items()}


class ClassifyRequest(bentoml.IODescriptor):
    """A clip: its video, its caption or both, and what else is known of it that decides which capabilities apply."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    video: Path | None = Field(default=None, description="the clip's media file")
    caption: str = Field(default="", max_length=MAX_CAPTION, description="the clip's caption or title")
    feed: str | None = Field(default=None, max_length=MAX_FACT, description="the clip's feed, as scopes name it")
    lang: Language | None = Field(default=None, max_length=MAX_FACT, description="the caption's language, BCP 47")
    metadata: dict[str, Any] | None = Field(default=None, description="other facts of the clip; JSON in a form")

    @field_validator("metadata", mode="before")
    @classmethod
    def _from_json(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        try:
            return json.loads(given)
        except (ValueError, RecursionError):
            raise PydanticCustomError("json", 'send a JSON object such as {"platform": "tube"}') from None

    @model_validator(mode="after")
    def _something_to_classify(self) -> Self:
        if self.video is None and not clean_caption(self.caption):
            raise PydanticCustomError("nothing_to_classify", "send `video`, `caption` or both")
        return self

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Describe the form: `file` is BentoML's word for the upload, `string` that of OpenAPI."""
        schema = super().model_json_schema(*args, **kwargs)
        kind = "string" if kwargs.get("mode") == "serialization" else "file"
        described = {"type": kind, "format": "binary", "description": cls.model_fields["video"].description}
        schema["properties"]["video"] = described
        return schema

    @classmethod
    async def from_http_request(cls, request: "Request", serde: Any) -> Self:  # noqa: ARG003 - ours is the parser
        """Read the form, or a JSON object with a caption.

        BentoML's own parser is not used: it fetches a URL that stands in a file's place, from within the
        service's network, and takes a caption such as `2024` for a number.

        Raises:
            ValidationError: the request is not as it must be; BentoML answers 400 with the details.
        """
        kind = request.headers.get("content-type", "").lower()
        read = _form_fields if kind.startswith("multipart/form-data") else _json_fields
        return cls.model_validate(await read(request))


async def _json_fields(request: "Request") -> dict[str, Any]:
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise _invalid("body", "json", f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise _invalid("body", "json", 'send a JSON object such as {"caption": "..."}')
    if "video" in body:
        raise _invalid("video", "not_a_file", "send the video as a file of a multipart/form-data request")
    return body


async def _form_fields(request: "Request") -> dict[str, Any]:
    from starlette.datastructures import UploadFile
    from starlette.exceptions import HTTPException

    try:
        form = await request.form(max_files=1, max_fields=len(_TEXTS), max_part_size=8 * MAX_CAPTION)
    except HTTPException as error:
        raise _invalid("body", "form", f"the form cannot be read: {error.detail}") from error
    fields: dict[str, Any] = dict(form)
    video = fields.get("video")
    if isinstance(video, UploadFile):
        fields["video"] = await _keep(video)
    elif video is not None:
        raise _invalid("video", "not_a_file", "send the video's bytes as a file; URLs and text are refused")
    for name in _TEXTS:
        if isinstance(fields.get(name), UploadFile):
            raise _invalid(name, "not_text", f"send the {name} as text, not as a file")
    return fields


async def _keep(upload: "UploadFile") -> Path:
    """Copy an upload into the request's own folder, which BentoML empties after the answer."""
    from anyio import to_thread
    from bentoml._internal.context import request_temp_dir

    suffix = re.sub(r"[^.A-Za-z0-9]", "", Path(upload.filename or "").suffix)[:8]
    target = Path(request_temp_dir()) / f"{uuid.uuid4().hex}{suffix}"

    def copy() -> None:
        with target.open("wb") as stream:
            shutil.copyfileobj(upload.file, stream)

    await to_thread.run_sync(copy)
    return target


def _invalid(field: str, kind: Any, message: str) -> Exception:
    from pydantic_core import InitErrorDetails, ValidationError

    error = PydanticCustomError(kind, "{message}", {"message": message})
    details = [InitErrorDetails(type=error, loc=(field,), input=None)]
    return ValidationError.from_exception_data("ClassifyRequest", details, hide_input=True)


ALLOWED: Final = ("multipart/form-data", "application/json")


class _TooLargeError(Exception):
    """The body passed the limit while it was being read."""


class RequestGuard:
    """ASGI middleware that refuses a request before anything of it is parsed or stored.

    - 415 for a body whose Content-Type is not on the allow-list: BentoML would otherwise choose a
      deserialiser by that header.
    - 413 for a body over the limit, by its announced length or, without one, as soon as it is passed.

    Args:
        app: the application behind.
        max_body_bytes: gives the limit when the first request comes.
    """

    def __init__(self, app: Application, max_body_bytes: Callable[[], int]) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            return await self._app(scope, receive, send)
        headers = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        limit = self._max_body_bytes()
        if problem := _bad_type(headers):
            return await refuse(send, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content_type", problem)
        if problem := _bad_length(headers, limit):
            return await refuse(send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", problem)
        return await self._stream(scope, receive, send, limit)

    async def _stream(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        taken = 0
        passed = False

        async def counted() -> Message:
            nonlocal taken, passed
            if passed:
                raise _TooLargeError
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                passed = True
                raise _TooLargeError
            return message

        async def answer(message: Message) -> None:
            # whatever the application makes of the interruption, the client gets the refusal
            if not passed:
                await send(message)

        try:
            await self._app(scope, counted, answer)
        except Exception:
            if not passed:
                raise
        if passed:
            problem = f"the body is larger than {limit} bytes: send a smaller clip"
            await refuse(send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", problem)


def _bad_type(headers: list[tuple[bytes, str]]) -> str:
    types = [value for name, value in headers if name == b"content-type"]
    kinds = [value.split(";")[0].strip().lower() for value in types]
    if not kinds or (len(kinds) == 1 and kinds[0] in ALLOWED):
        return ""  # without the header BentoML reads JSON
    return f"Content-Type {', '.join(types)!r} is not accepted: send {' or '.join(ALLOWED)}"


def _bad_length(headers: list[tuple[bytes, str]], limit: int) -> str:
    lengths = [value for name, value in headers if name == b"content-length"]
    if all(re.fullmatch(r"\d{1,18}", value) and int(value) <= limit for value in lengths):
        return ""
    return f"the body has {', '.join(lengths)} bytes, at most {limit} are accepted: send a smaller clip"


class Answer(BaseModel):
    """What one capability's model says about a clip."""

    label: str = Field(
        description="the decision; classes of a multi-label capability are joined by '|'; 'abstain': none"
    )
    probabilities: dict[str, float] = Field(description="class -> probability")
    model_version: str = Field(description="content hash of the bundle that answered")
    prediction_set: list[str] | None = Field(
        default=None, description="classes that it may be, the likeliest first, where the capability asks for sets"
    )


class NotApplicable(BaseModel):
    """What is said of a capability that does not apply to the clip: nothing."""

    label: None = None
    applicable: Literal[False] = False
    reason: str = Field(description="what its scope asks, and what the clip is")
    model_version: str = Field(description="content hash of the bundle that would have answered")


def answer_of(prediction: "Prediction", name: str) -> Answer | NotApplicable:
    """Say what a prediction holds about one capability."""
    version = prediction.versions[name]
    if reason := prediction.not_applicable.get(name):
        return NotApplicable(reason=reason, model_version=version)
    return Answer(
        label=prediction.labels[name],
        probabilities=prediction.probabilities[name],
        model_version=version,
        prediction_set=prediction.sets.get(name),
    )


class Classification(BaseModel):
    """The answer to `POST /classify`."""

    capabilities: dict[str, Answer | NotApplicable]
    request_id: str = Field(description="also in the prediction log")
    service_version: str


class ServedModel(BaseModel):
    """One model that the service answers with."""

    model_version: str
    kind: str = Field(description="single or multi")
    classes: list[str]
    scope: dict[str, Any] = Field(description="the clips that it applies to, as the parameter; empty: to all")


def served_model(bundle: "Bundle") -> ServedModel:
    """Say what answers for one capability."""
    return ServedModel(
        model_version=bundle.version,
        kind=bundle.kind.value,
        classes=list(bundle.classes),
        scope=bundle.scope.model_dump(mode="json", exclude_defaults=True),
    )


class Models(BaseModel):
    """The answer to `POST /models`."""

    capabilities: dict[str, ServedModel]
    service_version: str
