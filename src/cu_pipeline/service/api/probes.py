"""`/livez`, `/healthz`, `/readyz`, `/metrics`: for those who watch and restart the service."""

from typing import Any, Final

from anyio import to_thread
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from cu_pipeline.service.api.responses import refusals
from cu_pipeline.service.api.running import running
from cu_pipeline.service.metrics import CONTENT_TYPE
from cu_pipeline.service.refusal import unavailable

router = APIRouter()

TEXT: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.get("/livez", response_class=Response, responses=TEXT)
@router.get("/healthz", response_class=Response, responses=TEXT)
async def livez() -> Response:
    """Say that the process answers."""
    return PlainTextResponse("ok\n")


@router.get("/readyz", response_class=Response, responses={**TEXT, 503: refusals()[503]})
async def readyz(request: Request) -> Response:
    """Say whether clips are answered: the models are loaded, and the service is not ending."""
    service = running(request)
    if service.drain.begun or not service.engine.ready():
        raise unavailable("not_ready", "not ready")
    return PlainTextResponse("ready\n")


@router.get("/metrics", response_class=Response, responses={**TEXT, **refusals()})
async def metrics(request: Request) -> Response:
    """Give what all workers counted, as Prometheus reads it."""
    return Response(await to_thread.run_sync(running(request).metrics.render), media_type=CONTENT_TYPE)
