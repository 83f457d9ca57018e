from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from tqdm import tqdm

from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import DeliveryError
from cu_pipeline.core.paths import from_stored

if TYPE_CHECKING:
    import httpx

REFUSED: Final = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}


def classify(client: "httpx.Client", path: str, text: str) -> dict[str, Any] | None:
    """Send one clip to a service.

    Args:
        client: with the service's address as base.
        path: the clip's media as tables keep it; "" for text only.
        text: the caption.

    Returns:
        The answer; None when the service refuses the clip.

    Raises:
        DeliveryError: the service fails, or does not answer.
    """
    import httpx

    media = from_stored(path) if path else None
    parts: dict[str, Any] = {"caption": (None, text)}  # a part without a file name is a plain field
    if media is not None:
        parts["video"] = (media.name, media.read_bytes())
    try:
        answer = client.post("/classify", files=parts)
    except httpx.TransportError as error:
        raise DeliveryError(f"the service did not answer for clip {path or text[:40]!r}: {error!r}") from error
    if answer.status_code in REFUSED:
        return None
    if answer.status_code != HTTPStatus.OK:
        raise DeliveryError(f"the service answered {answer.status_code} for {path or text[:40]!r}: {answer.text[:500]}")
    body: dict[str, Any] = answer.json()
    return body


def classify_all(client: "httpx.Client", clips: pd.DataFrame, at_once: int, description: str) -> dict[str, Any]:
    """Send clips, several at a time, and give clip -> answer, None where it was refused."""
    count("service_requests", len(clips))
    with ThreadPoolExecutor(at_once) as pool:
        answers: Iterator[dict[str, Any] | None] = pool.map(
            lambda row: classify(client, row[0], row[1]), zip(clips["path"], clips["text"], strict=True)
        )
        shown = tqdm(answers, total=len(clips), desc=description, unit="clip", disable=None)
        return dict(zip(clips["clip_id"], shown, strict=True))
