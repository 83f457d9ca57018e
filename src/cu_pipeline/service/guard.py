import re
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

ALLOWED: Final = ("multipart/form-data", "application/json")


class _TooLargeError(Exception):
    """The body passed the limit while it was being read."""


class RequestGuard:
    """ASGI middleware that refuses a request before anything of it is parsed or stored.

    - 415 for a body whose Content-Type is not on the allow-list: BentoML would otherwise choose a
      deserialiser by that header.
    - 413 for a body over the limit, by its announced length or, without one, as soon as it is passed.

    Args:
        app: the application behind.
        max_body_bytes: gives the limit when the first request comes.
    """

    def __init__(self, app: Application, max_body_bytes: Callable[[], int]) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            return await self._app(scope, receive, send)
        headers = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        limit = self._max_body_bytes()
        if problem := _bad_type(headers):
            return await _refuse(send, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, problem, "content_type")
        if problem := _bad_length(headers, limit):
            return await _refuse(send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, problem, "too_large")
        return await self._stream(scope, receive, send, limit)

    async def _stream(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        taken = 0
        passed = False

        async def counted() -> Message:
            nonlocal taken, passed
            if passed:
                raise _TooLargeError
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                passed = True
                raise _TooLargeError
            return message

        async def answer(message: Message) -> None:
            # whatever the application makes of the interruption, the client gets the refusal
            if not passed:
                await send(message)

        try:
            await self._app(scope, counted, answer)
        except Exception:
            if not passed:
                raise
        if passed:
            problem = f"the body is larger than {limit} bytes: send a smaller clip"
            await _refuse(send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, problem, "too_large")


def _bad_type(headers: list[tuple[bytes, str]]) -> str:
    types = [value for name, value in headers if name == b"content-type"]
    kinds = [value.split(";")[0].strip().lower() for value in types]
    if not kinds or (len(kinds) == 1 and kinds[0] in ALLOWED):
        return ""  # without the header BentoML reads JSON
    return f"Content-Type {', '.join(types)!r} is not accepted: send {' or '.join(ALLOWED)}"


def _bad_length(headers: list[tuple[bytes, str]], limit: int) -> str:
    lengths = [value for name, value in headers if name == b"content-length"]
    if all(re.fullmatch(r"\d{1,18}", value) and int(value) <= limit for value in lengths):
        return ""
    return f"the body has {', '.join(lengths)} bytes, at most {limit} are accepted: send a smaller clip"


async def _refuse(send: Send, status: HTTPStatus, error: str, reason: str) -> None:
    from cu_pipeline.service.schemas import Refusal

    body = Refusal(error=error, reason=reason).model_dump_json().encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
