"""`POST /feedback`: a person says what a clip really shows. `DELETE /captures/ID`: a request is forgotten."""

from http import HTTPStatus
from typing import Any, Final

from anyio import to_thread
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from cu_pipeline.core.capability import Kind
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.service.api.body import JSON, bad_request, media_type, read_json
from cu_pipeline.service.api.clips import problems
from cu_pipeline.service.api.responses import BODY_REFUSALS, json_response, refusals
from cu_pipeline.service.api.running import request_id, running
from cu_pipeline.service.refusal import Problem, RefusedError

ANSWER_ID: Final = r"^[A-Za-z0-9._:-]{1,136}$"
"""Of a request, or of a clip in one."""

NONE: Final = "none"

router = APIRouter()


class Feedback(BaseModel):
    """A correction, or a confirmation, by a person."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    request_id: str = Field(pattern=ANSWER_ID, description="of the answer that it is about")
    capability: str = Field(min_length=1, max_length=200)
    label: str = Field(
        min_length=1, max_length=2000, description="the right classes, several joined by '|'; 'none': none of them"
    )
    annotator: str | None = Field(default=None, min_length=1, max_length=200, description="who says so")
    comment: str | None = Field(default=None, max_length=2000)


class FeedbackKept(BaseModel):
    """The answer to `POST /feedback`."""

    request_id: str = Field(description="of the feedback itself")
    about: str = Field(description="the request that it is about")


@router.post(
    "/feedback",
    status_code=HTTPStatus.CREATED,
    openapi_extra={"requestBody": {"required": True, "content": {JSON: {"schema": Feedback.model_json_schema()}}}},
    responses={201: {"model": FeedbackKept}, **refusals(*BODY_REFUSALS, 404)},
    response_model=None,
)
async def feedback(request: Request) -> Response:
    """Say what a clip really shows; it becomes an annotation of the clip in the next collect."""
    service = running(request)
    media_type(request, (JSON,))
    body = await read_json(request, service.limits, service.texts)
    told = _checked(body, service.engine.bundles())
    if not await to_thread.run_sync(service.log.knows, told.request_id):
        message = "no answer with this request_id is in the prediction log: it was not answered here, or is too old"
        raise RefusedError(HTTPStatus.NOT_FOUND, "unknown_request", message)
    await service.record_feedback(told)
    return json_response(FeedbackKept(request_id=request_id(request), about=told.request_id), HTTPStatus.CREATED)


def _checked(body: dict[str, Any], bundles: dict[str, Bundle]) -> Feedback:
    try:
        told = Feedback.model_validate(body, strict=True)
    except ValidationError as error:
        raise bad_request(problems(error)) from None
    if told.capability not in bundles:
        message = f"it is not served; there are {', '.join(bundles)}"
        raise bad_request([Problem(loc=["capability"], type="unknown_capability", msg=message)])
    bundle = bundles[told.capability]
    named = told.label.split("|")
    several = bundle.kind is Kind.MULTI
    right = set(named) <= set(bundle.classes) and len(set(named)) == len(named) and (several or len(named) == 1)
    if not right and not (several and told.label == NONE):
        form = "classes joined by '|', or 'none', of" if several else "one of"
        message = f"give {form} {', '.join(bundle.classes)}"
        raise bad_request([Problem(loc=["label"], type="unknown_label", msg=message)])
    return told


@router.delete(
    "/captures/{request_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses={204: {"description": "it is deleted"}, **refusals(404)},
    openapi_extra={
        "parameters": [
            {"name": "request_id", "in": "path", "required": True, "schema": {"type": "string", "pattern": ANSWER_ID}}
        ]
    },
    response_class=Response,
)
async def forget(request: Request) -> Response:
    """Delete what the capture store keeps of a request: its media and its caption."""
    service = running(request)
    if not await service.forget(request.path_params["request_id"]):
        raise RefusedError(HTTPStatus.NOT_FOUND, "unknown_request", "nothing of this request is kept")
    return Response(status_code=HTTPStatus.NO_CONTENT)
