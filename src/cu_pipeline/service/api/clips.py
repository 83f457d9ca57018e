"""What a request says of a clip: its fields, read from a form or from JSON, and what the engine is asked by them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import Request

from cu_pipeline.core.caption_text import is_blank
from cu_pipeline.core.scope import METADATA, metadata_text
from cu_pipeline.rollout.plan import sticky_key
from cu_pipeline.service.api.body import (
    FORM,
    JSON,
    BodyLimits,
    UploadGate,
    bad_request,
    media_type,
    parse_json,
    read_json,
)
from cu_pipeline.service.api.form import FormShape, read_form
from cu_pipeline.service.engine.interface import ClipRequest
from cu_pipeline.service.refusal import MAX_DETAILS, Problem

MAX_CAPTION: Final = 20_000
"""Characters; the longest captions that platforms allow are a tenth of it."""

MAX_FACT: Final = 2_000
"""Characters of a feed's name."""

MAX_TAG: Final = 64
"""Characters of a language's tag."""

MAX_CAPABILITIES: Final = 64
MAX_METADATA: Final = 100
"""Keys."""

_TOLD: Final = 80
"""Characters of a key or a message that a refusal repeats at most."""

Tag = Annotated[
    str,
    StringConstraints(max_length=MAX_TAG, pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*$"),
    AfterValidator(lambda tag: tag.replace("_", "-").lower()),
]
"""A language as scopes write it."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ClipFields(BaseModel):
    """A clip without its video, and what is asked about it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    caption: str = Field(default="", max_length=MAX_CAPTION, description="the clip's caption or title")
    clip_id: Name | None = Field(default=None, description="the clip's name, repeated in the answer and in the log")
    creator: Name | None = Field(default=None, description="who made the clip; kept in the log")
    feed: str | None = Field(default=None, max_length=MAX_FACT, description="the clip's feed, as scopes name it")
    lang: Tag | None = Field(default=None, description="the caption's language, BCP 47; `und`: not known")
    metadata: dict[str, Any] | None = Field(
        default=None, max_length=MAX_METADATA, description="other facts of the clip that scopes may ask"
    )
    capabilities: list[Name] | None = Field(
        default=None, min_length=1, max_length=MAX_CAPABILITIES, description="what to answer about; all where absent"
    )
    top_k: int | None = Field(
        default=None, ge=1, le=1000, description="so many of the likeliest classes in `probabilities`; all where absent"
    )
    explain: bool = Field(default=False, description="also say what was seen and read, and what each modality adds")


FIELDS: Final = frozenset(ClipFields.model_fields)

TEXT_BYTES: Final = 8 * MAX_CAPTION
"""Most bytes of one field of a form."""

CLIP_FORM: Final = FormShape(dict.fromkeys(ClipFields.model_fields, TEXT_BYTES), frozenset({"video"}), most=16)

_BOOLEANS: Final = {"true": True, "false": False}


def from_form(texts: Mapping[str, str]) -> dict[str, Any]:
    """Read the values that a form has as text: `capabilities` with commas, `metadata` as JSON, numbers and booleans.

    Raises:
        RefusedError: one is not of its kind.
    """
    fields: dict[str, Any] = {name: text for name, text in texts.items() if text or name == "caption"}
    if "metadata" in fields:
        fields["metadata"] = parse_json(fields["metadata"].encode(), "metadata")
    if "capabilities" in fields:
        fields["capabilities"] = [name.strip() for name in fields["capabilities"].split(",") if name.strip()]
    if "top_k" in fields and fields["top_k"].strip().isdecimal() and len(fields["top_k"]) < _TOLD:
        fields["top_k"] = int(fields["top_k"])
    if "explain" in fields:
        fields["explain"] = _BOOLEANS.get(fields["explain"], fields["explain"])
    return fields


def checked(fields: Mapping[str, Any], place: tuple[str | int, ...] = ()) -> ClipFields:
    """Check the fields of a clip.

    Raises:
        RefusedError: some are not as they must be; the first few are told, without their values.
    """
    unknown = [name for name in fields if name not in FIELDS]
    if unknown:
        known = ", ".join(ClipFields.model_fields)
        told = [
            Problem(loc=[*place, name[:_TOLD]], type="unknown_field", msg=f"there is no such field, only {known}")
            for name in unknown[:MAX_DETAILS]
        ]
        raise bad_request(told)
    try:
        return ClipFields.model_validate(dict(fields), strict=True)
    except ValidationError as error:
        raise bad_request(problems(error, place)) from None


def problems(error: ValidationError, place: tuple[str | int, ...] = ()) -> list[Problem]:
    """What a failed validation says, bounded and without the values."""
    told = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_DETAILS]
    return [
        Problem(
            loc=[*place, *(part[:_TOLD] if isinstance(part, str) else part for part in one["loc"])],
            type=one["type"],
            msg=one["msg"][: 4 * _TOLD],
        )
        for one in told
    ]


def require_content(video: Path | None, caption: str, place: tuple[str | int, ...] = ("body",)) -> None:
    """Refuse a clip that nobody could see or read anything of.

    Raises:
        RefusedError: there is no video, and the caption has no visible character.
    """
    if video is None and is_blank(caption):
        message = "send `video`, `caption` or both; a caption of blanks and invisible characters says nothing"
        raise bad_request([Problem(loc=list(place), type="nothing_to_classify", msg=message)])


async def read_clip(
    request: Request,
    limits: BodyLimits,
    forms: UploadGate,
    texts: UploadGate,
    folder: Callable[[], Path],
    received: Callable[[], None],
) -> tuple[ClipFields, Path | None]:
    """Read one clip from a form or from JSON.

    Args:
        request: with the clip as its body.
        limits: of size and time.
        forms: to pass by a form.
        texts: to pass by JSON.
        folder: makes the folder for files.
        received: is called when a form with a video is here, and may refuse it.

    Raises:
        RefusedError: the request is not as it must be, or over a limit.
        ClientGoneError: it will never be whole.
    """
    kind, parameters = media_type(request, (FORM, JSON))
    if kind == FORM:
        form = await read_form(request, parameters.get("boundary", ""), CLIP_FORM, limits, forms, folder, received)
        fields, video = checked(from_form(form.texts)), form.files.get("video")
    else:
        body = await read_json(request, limits, texts)
        if "video" in body:
            message = "send the video as a file of a multipart/form-data request"
            raise bad_request([Problem(loc=["video"], type="not_a_file", msg=message)])
        fields, video = checked(body), None
    require_content(video, fields.caption)
    return fields, video


def clip_request(
    fields: ClipFields, video: Path | None, known: Mapping[str, Any], place: tuple[str | int, ...] = ()
) -> ClipRequest:
    """What the engine is asked.

    Args:
        fields: of the clip.
        video: where its media lies.
        known: the capabilities that are served.
        place: of the clip in the request.

    Raises:
        RefusedError: a capability is asked for that is not served.
    """
    unknown = [name for name in fields.capabilities or () if name not in known]
    if unknown:
        message = f"it is not served; there are {', '.join(known)}"
        told = [
            Problem(loc=[*place, "capabilities", name[:_TOLD]], type="unknown_capability", msg=message)
            for name in unknown
        ]
        raise bad_request(told)
    return ClipRequest(
        media=video,
        caption=fields.caption,
        told=facts(fields),
        capabilities=None if fields.capabilities is None else tuple(dict.fromkeys(fields.capabilities)),
        explain=fields.explain,
        key=sticky_key(fields.creator or "", fields.clip_id or ""),
    )


def facts(fields: ClipFields) -> dict[str, str]:
    """What a request tells beside its content, by the names that scopes look at."""
    told = {name: value for name, value in (("feed", fields.feed), ("lang", fields.lang)) if value is not None}
    return told | {METADATA + key: metadata_text(value) for key, value in (fields.metadata or {}).items()}


def request_body() -> dict[str, Any]:
    """Describe the body of `/classify` and `/embed` for OpenAPI."""
    plain = ClipFields.model_json_schema()
    form = {**plain, "properties": {name: _in_form(name, one) for name, one in plain["properties"].items()}}
    video = {"type": "string", "format": "binary", "description": "the clip's media file"}
    form["properties"] = {"video": video, **form["properties"]}
    form["title"] = "ClipForm"
    return {
        "requestBody": {
            "required": True,
            "content": {
                FORM: {"schema": form, "encoding": {"video": {"contentType": "video/*"}}},
                JSON: {
                    "schema": plain | {"required": ["caption"]},
                    "example": {"caption": "steak recipe, step by step"},
                },
            },
        }
    }


def _in_form(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Describe a field as a form has it: as text, which may be empty where nothing is meant."""
    told = {"description": schema["description"]}
    if name == "caption":
        return schema
    if name == "metadata":
        return {"type": "string", "contentMediaType": JSON, **told}
    if name == "capabilities":
        return {"type": "string", "description": told["description"] + "; names with commas between them"}
    kinds = [one for one in schema.get("anyOf", [{"type": schema.get("type")}]) if one.get("type") != "null"]
    return {"anyOf": [*kinds, {"type": "string", "maxLength": 0}], **told}
