"""`POST /classify_batch`: several clips in one request, each answered or refused by itself."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter
from starlette.background import BackgroundTasks
from starlette.requests import Request
from starlette.responses import Response

from cu_pipeline.service.api.answers import BatchAnswer, Classification, ItemRefusal, classification
from cu_pipeline.service.api.body import FORM, JSON, MAX_JSON_BYTES, bad_request, media_type, parse_object, read_json
from cu_pipeline.service.api.clips import ClipFields, checked, clip_request, require_content
from cu_pipeline.service.api.form import FormShape, read_form
from cu_pipeline.service.api.recording import client_of, is_replay, prediction_record
from cu_pipeline.service.api.responses import BODY_REFUSALS, json_response, refusals
from cu_pipeline.service.api.running import Running, request_id, running, unless_client_leaves
from cu_pipeline.service.refusal import Problem, RefusedError

MAX_CLIPS: Final = 64
AT_ONCE: Final = 8
"""Clips of one request that are asked about at a time, so that one client leaves room for others."""

BATCH_FORM: Final = FormShape({"clips": MAX_JSON_BYTES}, None, most=MAX_CLIPS + 1)

router = APIRouter()


def _request_body() -> dict[str, Any]:
    item = {
        "type": "object",
        "description": "fields as in the JSON of `POST /classify`, and in a form `video`, the name of the clip's file; "
        "a clip that is not as it must be is refused by itself",
    }
    clips = {"type": "array", "items": item, "minItems": 1, "maxItems": MAX_CLIPS}
    text = {"type": "string", "contentMediaType": JSON, "contentSchema": clips}
    files = {"type": "string", "format": "binary", "description": "a clip's media, by the name that its `video` has"}
    plain = {"type": "object", "properties": {"clips": clips}, "required": ["clips"], "additionalProperties": False}
    form = {"type": "object", "properties": {"clips": text}, "required": ["clips"], "additionalProperties": files}
    example = {"clips": [{"caption": "steak recipe"}, {"caption": "goal in the last minute"}]}
    content = {JSON: {"schema": plain, "example": example}, FORM: {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "/classify_batch",
    openapi_extra=_request_body(),
    responses={200: {"model": BatchAnswer}, **refusals(*BODY_REFUSALS)},
    response_model=None,
)
async def classify_batch(request: Request) -> Response:
    """Classify up to 64 clips; each is answered or refused by itself, in their order."""
    service = running(request)
    clips, files = await _read(request, service)
    name = request_id(request)
    places = asyncio.Semaphore(AT_ONCE)

    after = BackgroundTasks()

    async def one(index: int, clip: dict[str, Any]) -> Classification | ItemRefusal:
        async with places:
            return await _item(request, f"{name}:{index}", clip, files, after)

    async def every() -> list[Classification | ItemRefusal]:
        return list(await asyncio.gather(*(one(index, clip) for index, clip in enumerate(clips))))

    results = await unless_client_leaves(request, every())
    body = BatchAnswer(request_id=name, results=results, service_version=service.version)
    return json_response(body, background=after)


async def _item(
    request: Request,
    name: str,
    clip: dict[str, Any],
    files: Mapping[str, Path],
    after: BackgroundTasks,
) -> Classification | ItemRefusal:
    service, replay = running(request), is_replay(request)
    try:
        fields, video = _clip(clip, files)
        answered = await service.classify(clip_request(fields, video, service.engine.bundles()))
    except RefusedError as error:
        service.count_refusal(error.reason)
        detail = error.detail or None
        return ItemRefusal(request_id=name, status=error.status, error=error.error, reason=error.reason, detail=detail)
    await service.keep_answer(prediction_record(name, fields, answered, replay=replay, client=client_of(request)))
    after.add_task(service.after, name, answered, fields, video, replay=replay)
    return classification(
        answered.prediction,
        service.bundles(),
        request_id=name,
        clip_id=fields.clip_id,
        timings=answered.timings,
        version=service.version,
        top_k=fields.top_k,
    )


def _clip(clip: dict[str, Any], files: Mapping[str, Path]) -> tuple[ClipFields, Path | None]:
    name = clip.get("video")
    if name is not None and (not isinstance(name, str) or name not in files):
        raise bad_request([Problem(loc=["video"], type="no_such_file", msg="the form has no file of this name")])
    fields = checked({key: value for key, value in clip.items() if key != "video"})
    video = None if name is None else files[name]
    require_content(video, fields.caption, ("clip",))
    return fields, video


async def _read(request: Request, service: Running) -> tuple[list[dict[str, Any]], dict[str, Path]]:
    kind, parameters = media_type(request, (FORM, JSON))
    files: dict[str, Path] = {}
    if kind == FORM:
        boundary = parameters.get("boundary", "")
        form = await read_form(
            request, boundary, BATCH_FORM, service.limits, service.forms, lambda: service.folder(request)
        )
        body = parse_object(b'{"clips":' + form.texts.get("clips", "null").encode() + b"}", "clips")
        files = form.files
    else:
        body = await read_json(request, service.limits, service.texts)
    clips = body.get("clips")
    if set(body) != {"clips"} or not isinstance(clips, list) or not 0 < len(clips) <= MAX_CLIPS:
        message = f'send {{"clips": [...]}} with 1 to {MAX_CLIPS} clips, and nothing beside it'
        raise bad_request([Problem(loc=["clips"], type="clips", msg=message)])
    if not all(isinstance(clip, dict) for clip in clips):
        raise bad_request([Problem(loc=["clips"], type="clips", msg="each clip is a JSON object")])
    return clips, files
