"""`POST /classify` and `POST /embed`: one clip."""

from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from cu_pipeline.service.api.answers import Classification, Embedding, classification, rounded
from cu_pipeline.service.api.clips import ClipFields, clip_request, read_clip, request_body
from cu_pipeline.service.api.recording import client_of, is_replay, prediction_record
from cu_pipeline.service.api.responses import CLIP_REFUSALS, json_response, refusals
from cu_pipeline.service.api.running import Running, request_id, running, unless_client_leaves
from cu_pipeline.service.engine.interface import Answered

router = APIRouter()


@router.post(
    "/classify",
    openapi_extra=request_body(),
    responses={200: {"model": Classification}, **refusals(*CLIP_REFUSALS)},
    response_model=None,
)
async def classify(request: Request) -> Response:
    """Classify a clip by its video, its caption or both, as far as capabilities apply to it."""
    service = running(request)
    fields, video = await _read(request, service)
    answered = await unless_client_leaves(request, _answer(request, service, fields, video))
    body = classification(
        answered.prediction,
        service.bundles(),
        request_id=request_id(request),
        clip_id=fields.clip_id,
        timings=answered.timings,
        version=service.version,
        top_k=fields.top_k,
    )
    replay = is_replay(request)
    after = BackgroundTask(service.after, request_id(request), answered, fields, video, replay=replay)
    return json_response(body, background=after)


@router.post(
    "/embed",
    openapi_extra=request_body(),
    responses={200: {"model": Embedding}, **refusals(*CLIP_REFUSALS)},
    response_model=None,
)
async def embed(request: Request) -> Response:
    """Give what the models read of a clip, as numbers; nothing is decided, and nothing is kept."""
    service = running(request)
    fields, video = await _read(request, service)
    asked = clip_request(fields, video, service.engine.bundles())
    answered = await unless_client_leaves(request, service.embed(asked))
    body = Embedding(
        request_id=request_id(request),
        clip_id=fields.clip_id,
        embedding=answered.prediction.embedding.tolist(),
        parts=answered.prediction.parts,
        timings=rounded(answered.timings),
        service_version=service.version,
    )
    return json_response(body, HTTPStatus.OK)


async def _answer(request: Request, service: Running, fields: ClipFields, video: Path | None) -> Answered:
    answered = await service.classify(clip_request(fields, video, service.engine.bundles()))
    replay, client = is_replay(request), client_of(request)
    await service.keep_answer(prediction_record(request_id(request), fields, answered, replay=replay, client=client))
    return answered


async def _read(request: Request, service: Running) -> tuple[ClipFields, Path | None]:
    service.check_room(request)
    with service.arriving() as received:
        return await read_clip(
            request, service.limits, service.forms, service.texts, lambda: service.folder(request), received
        )
