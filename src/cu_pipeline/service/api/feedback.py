"""`POST /feedback`: a person says what a clip really shows."""

from http import HTTPStatus

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from cu_pipeline.service.api.body import JSON, media_type, read_json
from cu_pipeline.service.api.feedback_form import Feedback, checked_feedback
from cu_pipeline.service.api.recording import feedback_record
from cu_pipeline.service.api.responses import BODY_REFUSALS, json_response, refusals
from cu_pipeline.service.api.running import request_id, running
from cu_pipeline.service.refusal import RefusedError, unavailable

router = APIRouter()


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
    told = checked_feedback(body, service.engine.bundles())
    if not await service.knows(told.request_id):
        message = "no answer with this request_id is in the prediction log: it was not answered here, or is too old"
        raise RefusedError(HTTPStatus.NOT_FOUND, "unknown_request", message)
    if not await service.keep(feedback_record(told)):
        raise unavailable("log", "it cannot be kept now: try again later")
    return json_response(FeedbackKept(request_id=request_id(request), about=told.request_id), HTTPStatus.CREATED)
