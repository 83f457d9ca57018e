"""What is kept of an answer: numbers, versions and hashes, and of its words what the log's options allow."""

import ipaddress
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from math import isfinite
from typing import Final

from starlette.requests import Request

from cu_pipeline.core.caption_text import clean_caption
from cu_pipeline.inference.prediction_log import FeedbackRecord, PredictionRecord, encode_embedding
from cu_pipeline.inference.prediction_log.records import REPLAY_HEADER
from cu_pipeline.media.decoding import decoder_identity
from cu_pipeline.service.api.clips import ClipFields
from cu_pipeline.service.api.feedback_form import Feedback
from cu_pipeline.service.engine.interface import Answered

CLIENT_HEADER: Final = "x-client-version"
"""What a client says of itself and its version; without it the first product of User-Agent counts."""

LONGEST_CLIENT: Final = 64

_NO_CLIENT: Final = re.compile(r"[^\w ./:+()-]")
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip")


def prediction_record(
    request_id: str, fields: ClipFields, answered: Answered, *, replay: bool, client: str = ""
) -> PredictionRecord:
    """What the log keeps of an answer.

    Args:
        request_id: of the request, or of the clip in it.
        fields: that the request told.
        answered: what was said.
        replay: whether it is one of the product's own clips.
        client: what asked, as `client_of` names it; "": it does not say.
    """
    prediction = answered.prediction
    told = {
        "language": "" if fields.lang is None else fields.lang.split("-")[0].removeprefix("und"),
        "client": client,
        "decoder": decoder_name() if answered.media_sha256 else "",
    }
    return PredictionRecord(
        time=datetime.now(UTC),
        request_id=request_id,
        labels=dict(prediction.labels),
        probabilities=prediction.probabilities,
        versions=dict(prediction.versions),
        embedding=encode_embedding(prediction.embedding),
        parts=prediction.parts,
        facts=_finite(prediction.facts) | {name: text for name, text in told.items() if text},
        clip_id=fields.clip_id or "",
        creator=fields.creator or "",
        media_sha256=answered.media_sha256,
        text_sha256=answered.text_sha256,
        roles=prediction.roles,
        timings=answered.timings,
        caption=clean_caption(fields.caption),
        replay=replay,
    )


def feedback_record(told: Feedback) -> FeedbackRecord:
    """What the log keeps of what a person says."""
    return FeedbackRecord(
        time=datetime.now(UTC),
        request_id=told.request_id,
        capability=told.capability,
        label=told.label,
        annotator=told.annotator or "",
        comment=told.comment or "",
    )


def is_replay(request: Request) -> bool:
    """Whether a request says that it is no traffic, and comes from this machine itself, so that it may say so."""
    if request.headers.get(REPLAY_HEADER) != "1" or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.client.host if request.client else "").is_loopback
    except ValueError:
        return False


def client_of(request: Request) -> str:
    """Name the program that asks and its version, as far as it tells, in few characters.

    >>> asked = {"type": "http", "headers": [(b"user-agent", b"app/2.1 (Linux; x86) core/9")]}
    >>> client_of(Request(asked))
    'app/2.1'
    """
    told = request.headers.get(CLIENT_HEADER) or (request.headers.get("user-agent", "").split() or [""])[0]
    return _NO_CLIENT.sub("", told)[:LONGEST_CLIENT].strip()


@cache
def decoder_name() -> str:
    """Name what decodes the service's media, with its versions."""
    told = decoder_identity()
    return " ".join([told["name"], told["version"], *(f"{one} {told[one]}" for one in sorted(told) if "lib" in one)])


def _finite(facts: Mapping[str, float | str]) -> dict[str, float | str | None]:
    return {name: None if isinstance(fact, float) and not isfinite(fact) else fact for name, fact in facts.items()}
