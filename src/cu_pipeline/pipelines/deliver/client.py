"""Clips sent to a running service: one, a table of them, or generated ones."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import DeliveryError
from cu_pipeline.core.paths import from_stored, to_stored
from cu_pipeline.core.progress import each
from cu_pipeline.sample.generate import generate
from cu_pipeline.sample.options import SampleOptions
from cu_pipeline.sample.truth import keep_truth

if TYPE_CHECKING:
    import httpx


REFUSED: Final = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
BUSY: Final = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}

KEY_VARIABLE: Final = "CU_PIPELINE_KEY"
"""Environment variable with the API key to send to a service that asks for one."""

PATIENCE_S: Final = 60.0
"""Seconds after which a service that stays busy counts as failed."""

_SHORTEST_S: Final = 0.2
_LONGEST_S: Final = 5.0


def classify(
    client: "httpx.Client", path: str, text: str, told: Mapping[str, str] | None = None
) -> dict[str, Any] | None:
    """Send one clip to a service.

    Args:
        client: with the service's address as base.
        path: the clip's media as tables keep it; "" for text only.
        text: the caption.
        told: fields that say what else is known of the clip.

    Returns:
        The answer; None when the service refuses the clip. A service that is busy is asked again when it says.

    Raises:
        DeliveryError: the service fails, or does not answer.
    """
    import httpx

    media = from_stored(path) if path else None
    parts: dict[str, Any] = {"caption": (None, text)}  # a part without a file name is a plain field
    parts |= {name: (None, value) for name, value in (told or {}).items()}
    if media is not None:
        parts["video"] = (media.name, media.read_bytes())
    until = time.monotonic() + PATIENCE_S
    try:
        while (answer := client.post("/classify", files=parts)).status_code in BUSY and time.monotonic() < until:
            time.sleep(_seconds(answer.headers.get("retry-after", "")))
    except httpx.TransportError as error:
        raise DeliveryError(f"the service did not answer for clip {path or text[:40]!r}: {error!r}") from error
    if answer.status_code in REFUSED:
        return None
    if answer.status_code != HTTPStatus.OK:
        raise DeliveryError(f"the service answered {answer.status_code} for {path or text[:40]!r}: {answer.text[:500]}")
    body: dict[str, Any] = answer.json()
    return body


def _seconds(told: str) -> float:
    """How long to wait before the next try, by the header Retry-After."""
    return min(max(float(told), _SHORTEST_S), _LONGEST_S) if told.isdecimal() else _SHORTEST_S


def classify_all(
    client: "httpx.Client",
    clips: pd.DataFrame,
    at_once: int,
    description: str,
    told: Sequence[Mapping[str, str]] | None = None,
) -> dict[str, Any]:
    """Send clips, several at a time, and give clip -> answer, None where it was refused.

    Args:
        client: with the service's address as base.
        clips: n rows of the table of clips.
        at_once: requests at a time.
        description: of what is done.
        told: of each clip the fields that say what else is known of it; None: nothing.
    """
    count("service_requests", len(clips))
    fields = told if told is not None else [{}] * len(clips)
    with ThreadPoolExecutor(at_once) as pool:
        answers: Iterator[dict[str, Any] | None] = pool.map(
            lambda row: classify(client, *row), zip(clips["path"], clips["text"], fields, strict=True)
        )
        shown = each(answers, description, len(clips))
        return dict(zip(clips["clip_id"], shown, strict=True))


def send_sample(folder: Path, options: SampleOptions, url: str) -> tuple[int, int]:
    """Render generated clips and send them to a running service, as its users would.

    Args:
        folder: where the clips are rendered.
        options: of the feed; its `drift` decides how it differs from what the models know.
        url: of the service.

    Returns:
        How many clips were answered and how many were refused.

    Raises:
        DeliveryError: no service answers there.
    """
    import httpx

    manifest = pd.read_csv(generate(folder, options, LocalMapper()), dtype=str, keep_default_na=False)
    keep_truth(folder)
    clips = manifest.assign(path=[to_stored(folder / path) for path in manifest["path"]])
    key = os.environ.get(KEY_VARIABLE)
    headers = {"X-Api-Key": key} if key else {}
    with httpx.Client(base_url=url, timeout=60, headers=headers) as client:
        try:
            client.get("/readyz").raise_for_status()
        except httpx.HTTPError as error:
            raise DeliveryError(f"no service is ready at {url} ({error}). Start one with `make serve`.") from error
        names = [name for name in ("clip_id", "creator") if name in clips]
        rows = clips[names].to_dict("records")
        told = [{str(name): str(value) for name, value in row.items() if value} for row in rows]
        answers = classify_all(client, clips, at_once=2, description="send clips", told=told)
    refused = sum(answer is None for answer in answers.values())
    return len(answers) - refused, refused
