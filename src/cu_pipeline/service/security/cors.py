"""Lets pages of other sites use the service, as far as the settings name them."""

from collections.abc import Collection, Mapping
from typing import Final

from cu_pipeline.service.refusal import REQUEST_ID, Scope, Send

_PREFLIGHT: Final = {
    "access-control-allow-methods": "GET, POST, DELETE",
    "access-control-allow-headers": f"authorization, content-type, x-api-key, {REQUEST_ID}",
    "access-control-max-age": "600",
    "content-length": "0",
}
_ANSWER: Final = {"access-control-expose-headers": f"{REQUEST_ID}, retry-after, www-authenticate"}


def allowed_origin(headers: Mapping[bytes, bytes], origins: Collection[str]) -> str:
    """The origin of the page that asks, when the settings name it; else ""."""
    origin = headers.get(b"origin", b"").decode("latin-1")
    return origin if origin.lower() in origins else ""


def cors_headers(origin: str) -> dict[str, str]:
    """What lets a page of this origin read an answer."""
    return {"access-control-allow-origin": origin, **_ANSWER}


def is_preflight(scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser asks beforehand if its page may ask; it sends no key with that."""
    return scope["method"] == "OPTIONS" and b"access-control-request-method" in headers


async def answer_preflight(send: Send, headers: Mapping[bytes, bytes]) -> None:
    """Tell a browser that its page may ask."""
    answer = dict(_PREFLIGHT)
    if headers.get(b"access-control-request-private-network") == b"true":
        answer["access-control-allow-private-network"] = "true"
    lines = [(name.encode(), value.encode()) for name, value in answer.items()]
    await send({"type": "http.response.start", "status": 204, "headers": lines})
    await send({"type": "http.response.body", "body": b""})
