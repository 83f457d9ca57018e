"""Answers as HTTP, and how OpenAPI tells of them."""

from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.responses import Response

from cu_pipeline.service.api.body import JSON
from cu_pipeline.service.refusal import Refusal

_RETRY: Final = {"Retry-After": {"description": "seconds to wait", "schema": {"type": "integer"}}}

_REFUSALS: Final = {
    400: "the request is not as it must be",
    401: "no key, or one that is not known",
    403: "the key may not do this, or the service answers this machine only",
    404: "there is no such thing",
    405: "the path takes other methods",
    408: "the body came too slowly",
    413: "the body is too large",
    415: "the Content-Type is not accepted",
    422: "the clip cannot be used",
    429: "too many requests; try again later",
    500: "the service failed",
    503: "the service cannot answer now; try again later",
}

GUARDED: Final = (401, 403, 429, 500, 503)
"""What any path but the probes may say."""

BODY_REFUSALS: Final = (400, 408, 413, 415)
"""What any path that takes a body may say."""

CLIP_REFUSALS: Final = (*BODY_REFUSALS, 422)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the refusals of a path for OpenAPI; those that any path has are among them."""
    return {status: _refusal(status) for status in sorted({*statuses, *GUARDED})}


def _refusal(status: int) -> dict[str, Any]:
    told: dict[str, Any] = {"model": Refusal, "description": _REFUSALS[status]}
    return told | ({"headers": _RETRY} if status in {429, 503} else {})


def json_response(body: BaseModel, status: int = HTTPStatus.OK, background: BackgroundTask | None = None) -> Response:
    """Answer with a model's JSON, without what is None."""
    return Response(body.model_dump_json(exclude_none=True), status, media_type=JSON, background=background)
