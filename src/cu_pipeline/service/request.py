import json
import re
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import bentoml
from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from starlette.datastructures import UploadFile
    from starlette.requests import Request

MAX_CAPTION: Final = 20_000
"""Characters; the longest captions that platforms allow are a tenth of it."""


class ClassifyRequest(bentoml.IODescriptor):
    """A clip: its video, its caption or both."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    video: Path | None = Field(default=None, description="the clip's media file")
    caption: str = Field(default="", max_length=MAX_CAPTION, description="the clip's caption or title")

    @model_validator(mode="after")
    def _something_to_classify(self) -> Self:
        if self.video is None and not self.caption.strip():
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
        form = await request.form(max_files=1, max_fields=1, max_part_size=8 * MAX_CAPTION)
    except HTTPException as error:
        raise _invalid("body", "form", f"the form cannot be read: {error.detail}") from error
    fields: dict[str, Any] = dict(form)
    video = fields.get("video")
    if isinstance(video, UploadFile):
        fields["video"] = await _keep(video)
    elif video is not None:
        raise _invalid("video", "not_a_file", "send the video's bytes as a file; URLs and text are refused")
    if isinstance(fields.get("caption"), UploadFile):
        raise _invalid("caption", "not_text", "send the caption as text, not as a file")
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
