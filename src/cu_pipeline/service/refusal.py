"""The one form in which the service says no."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from pydantic import BaseModel, Field

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST_ID: Final = "x-request-id"


class Refusal(BaseModel):
    """The body of every answer that is not the one asked for."""

    error: str = Field(description="what was wrong, what is allowed and what to do")
    reason: str = Field(description="a stable code")
    request_id: str = Field(default="", description="of the request, as in the header X-Request-Id")


async def refuse(
    send: Send, status: int, reason: str, error: str, request_id: str = "", headers: Mapping[str, str] | None = None
) -> None:
    """Answer an ASGI request whose body may not have been read: the connection is closed after it.

    Args:
        send: of the request.
        status: HTTP's.
        reason: a stable code.
        error: for people.
        request_id: of the request.
        headers: further ones, such as Retry-After.
    """
    body = Refusal(error=error, reason=reason, request_id=request_id).model_dump_json().encode()
    told = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        REQUEST_ID: request_id,
        **(headers or {}),
    }
    lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told.items() if value]
    await send({"type": "http.response.start", "status": int(status), "headers": lines})
    await send({"type": "http.response.body", "body": body})
