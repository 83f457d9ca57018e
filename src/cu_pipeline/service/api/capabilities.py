"""`GET /capabilities`: what is recognised, by which models, and how well."""

import json
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from cu_pipeline.models.bundle import Bundle
from cu_pipeline.service.api.answers import thresholds_of
from cu_pipeline.service.api.responses import json_response, refusals
from cu_pipeline.service.api.running import running

router = APIRouter()


class Quality(BaseModel):
    """How often a model was right on clips that people labelled and it did not learn from."""

    accuracy: float = Field(description="share of the clips")
    low: float = Field(description="of the 95 % interval, over units")
    high: float = Field(description="likewise")
    clips: int
    units: int = Field(description="creators with their near-duplicates, as which clips count")


class ServedCapability(BaseModel):
    """One capability that the service answers about."""

    model_version: str = Field(description="content hash of the bundle that answers")
    family: str = Field(description="of the model")
    kind: str = Field(description="`single`: one class; `multi`: any number of them")
    classes: list[str]
    thresholds: dict[str, float] = Field(description="class -> probability over which it is answered, where set")
    scope: dict[str, Any] = Field(description="the clips that it applies to, as the parameter; empty: to all")
    quality: Quality | None = Field(default=None, description="as measured when it was trained; absent: not told")
    challenger: str | None = Field(default=None, description="version of the model that a rollout tries beside it")


class Capabilities(BaseModel):
    """The answer to `GET /capabilities`."""

    capabilities: dict[str, ServedCapability]
    max_body_bytes: int = Field(description="that a form may have, its clip and all else")
    service_version: str


@router.get(
    "/capabilities",
    responses={200: {"model": Capabilities}, **refusals()},
    response_model=None,
)
async def capabilities(request: Request) -> Response:
    """List what is recognised: classes, models, thresholds, and the clips that each applies to."""
    service = running(request)
    challengers = service.engine.challengers()
    quality = measured(service.settings.quality_file())
    told = {
        name: served(bundle, challengers.get(name), quality.get(bundle.version))
        for name, bundle in service.engine.bundles().items()
    }
    limit = service.settings.max_body_bytes
    return json_response(Capabilities(capabilities=told, max_body_bytes=limit, service_version=service.version))


def measured(file: Path | None) -> dict[str, Quality]:
    """Read how good models were found to be, by their versions; nothing from a file that cannot be read."""
    try:
        told = {} if file is None else json.loads(file.read_text(encoding="utf-8"))
        return {one["model_version"]: Quality.model_validate(one) for one in told.values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def served(bundle: Bundle, challenger: Bundle | None, quality: Quality | None) -> ServedCapability:
    """Say what answers about one capability, and how well."""
    return ServedCapability(
        model_version=bundle.version,
        family=bundle.family,
        kind=bundle.kind.value,
        classes=list(bundle.classes),
        thresholds=thresholds_of(bundle),
        scope=bundle.scope.model_dump(mode="json", exclude_defaults=True),
        quality=quality,
        challenger=None if challenger is None else challenger.version,
    )
