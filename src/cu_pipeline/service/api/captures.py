"""`DELETE /captures/ID`: what was kept of a request to be labelled is deleted."""

from http import HTTPStatus

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cu_pipeline.service.api.feedback_form import ANSWER_ID
from cu_pipeline.service.api.responses import refusals
from cu_pipeline.service.api.running import running
from cu_pipeline.service.refusal import RefusedError

router = APIRouter()

_NAME = {"name": "request_id", "in": "path", "required": True, "schema": {"type": "string", "pattern": ANSWER_ID}}


@router.delete(
    "/captures/{request_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses={204: {"description": "it is deleted"}, **refusals(404, 503)},
    openapi_extra={"parameters": [_NAME]},
    response_class=Response,
)
async def forget(request: Request) -> Response:
    """Delete the media and the caption that the capture store keeps of a request."""
    if not await running(request).forget(request.path_params["request_id"]):
        raise RefusedError(HTTPStatus.NOT_FOUND, "unknown_request", "nothing is captured of this request")
    return Response(status_code=HTTPStatus.NO_CONTENT)
