"""The one form in which the service says no, and the id that it says it by."""

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from pydantic import BaseModel, Field

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST_ID: Final = "x-request-id"

RETRY_AFTER: Final = {"retry-after": "5"}
"""Header of a refusal of which nobody knows how long its cause lasts."""

_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")

MAX_DETAILS: Final = 10
"""Problems of one request that are told; the first ones."""


class Problem(BaseModel):
    """One thing that is wrong with a request."""

    loc: list[str | int] = Field(description="where in the request")
    msg: str = Field(description="what is wrong")
    type: str = Field(description="a stable code")


class Refusal(BaseModel):
    """The body of every answer that is not the one asked for."""

    error: str = Field(description="what was wrong, what is allowed and what to do")
    reason: str = Field(description="a stable code")
    request_id: str = Field(default="", description="of the request, as in the header X-Request-Id")
    detail: list[Problem] | None = Field(
        default=None, max_length=MAX_DETAILS, description=f"the first {MAX_DETAILS} problems, where there are several"
    )


class RefusedError(Exception):
    """A request that is answered by a refusal.

    Args:
        status: HTTP's.
        reason: a stable code.
        error: for people.
        detail: single problems.
        headers: further ones, such as Retry-After.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        error: str,
        detail: Sequence[Problem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error)
        self.status = int(status)
        self.reason = reason
        self.error = error
        self.detail = list(detail)[:MAX_DETAILS]
        self.headers = dict(headers or {})

    def body(self, request_id: str) -> Refusal:
        """What the client is told."""
        return Refusal(error=self.error, reason=self.reason, request_id=request_id, detail=self.detail or None)


def unavailable(reason: str, error: str) -> RefusedError:
    """The refusal of a request that may be answered later."""
    return RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, reason, error, headers=RETRY_AFTER)


def id_of(scope: Scope) -> str:
    """The client's name of its request where it gives one that can be used, else a new one."""
    given = [value for name, value in scope["headers"] if name.lower() == REQUEST_ID.encode()]
    return str(given[0].decode()) if len(given) == 1 and _ID.fullmatch(given[0]) else uuid4().hex


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
    refusal = Refusal(error=error, reason=reason, request_id=request_id)
    body = refusal.model_dump_json(exclude_none=True).encode()
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
