"""The service's one ASGI application."""

from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from cu_pipeline.service.api import batch, capabilities, captures, classify, feedback, probes
from cu_pipeline.service.api.body import bad_request
from cu_pipeline.service.api.documentation import ROUTES, describe_keys
from cu_pipeline.service.api.envelope import Envelope
from cu_pipeline.service.api.responses import json_response
from cu_pipeline.service.api.running import Running, request_id, running
from cu_pipeline.service.page import routes as page_routes
from cu_pipeline.service.refusal import Application, Problem, RefusedError
from cu_pipeline.service.security.middleware import protected


def application(service: Running) -> Application:
    """Make the application that answers with a worker's engine, log and stores."""
    app = FastAPI(
        title="cu-pipeline",
        version=service.version,
        description="Recognises what short videos are about.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.running = service
    for module in (classify, batch, capabilities, feedback, captures, probes):
        app.include_router(module.router)
    app.router.routes += [*ROUTES, *page_routes(service.settings.samples_folder())]
    security = service.settings.security
    describe_keys(app, asked_for=not security.without_keys and security.keys.exists())
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _failed)
    guarded = protected(cast("Application", app), security, service.count_refusal)
    return Envelope(guarded, service)


async def _refused(request: Request, error: Exception) -> Response:
    refused = cast("RefusedError", error)
    running(request).count_refusal(refused.reason)
    answer = json_response(refused.body(request_id(request)), refused.status)
    answer.headers.update(refused.headers)
    return answer


async def _http_error(request: Request, error: Exception) -> Response:
    """What the router refuses: paths that are not there and methods that a path does not take."""
    told = cast("HTTPException", error)
    reasons: dict[int, tuple[str, str]] = {
        HTTPStatus.NOT_FOUND: ("not_found", "there is no such path; GET /openapi.json lists them"),
        HTTPStatus.METHOD_NOT_ALLOWED: ("method", "the path takes other methods, which the header Allow lists"),
    }
    reason, words = reasons.get(told.status_code, ("bad_request", "the request cannot be read"))
    refused = RefusedError(told.status_code, reason, words, headers=cast("Any", told.headers))
    return await _refused(request, refused)


async def _invalid(request: Request, error: Exception) -> Response:
    found = cast("RequestValidationError", error).errors()
    told = [Problem(loc=list(one["loc"]), type=one["type"], msg=one["msg"]) for one in found]
    return await _refused(request, bad_request(told))


async def _failed(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the log tells of the error
    words = "the service failed; its log tells more by the request's id"
    return await _refused(request, RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", words))
