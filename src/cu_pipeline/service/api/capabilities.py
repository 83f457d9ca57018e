"""`GET /capabilities`: what is recognised, by which models, and how well."""

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


class ServedCapability(BaseModel):
    """One capability that the service answers about."""

    model_version: str = Field(description="content hash of the bundle that answers")
    family: str = Field(description="of the model")
    kind: str = Field(description="`single`: one class; `multi`: any number of them")
    classes: list[str]
    thresholds: dict[str, float] = Field(description="class -> probability over which it is answered, where set")
    scope: dict[str, Any] = Field(description="the clips that it applies to, as the parameter; empty: to all")
    challenger: str | None = Field(default=None, description="version of the model that a rollout tries beside it")


class Capabilities(BaseModel):
    """The answer to `GET /capabilities`."""

    capabilities: dict[str, ServedCapability]
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
    told = {name: served(bundle, challengers.get(name)) for name, bundle in service.engine.bundles().items()}
    return json_response(Capabilities(capabilities=told, service_version=service.version))


def served(bundle: Bundle, challenger: Bundle | None) -> ServedCapability:
    """Say what answers about one capability."""
    return ServedCapability(
        model_version=bundle.version,
        family=bundle.family,
        kind=bundle.kind.value,
        classes=list(bundle.classes),
        thresholds=thresholds_of(bundle),
        scope=bundle.scope.model_dump(mode="json", exclude_defaults=True),
        challenger=None if challenger is None else challenger.version,
    )
