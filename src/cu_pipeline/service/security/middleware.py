from collections.abc import Callable, Collection
from typing import Final

from cu_pipeline.service.refusal import Application, Message, Receive, Scope, Send, id_of, refuse
from cu_pipeline.service.security.cors import allowed_origin, answer_preflight, cors_headers, is_preflight
from cu_pipeline.service.security.gate import KEY_HEADERS, DeniedError, Gate
from cu_pipeline.service.security.settings import SecuritySettings

_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
"""On every answer that does not set its own, as the page does."""
_HTTPS: Final = {"strict-transport-security": "max-age=31536000"}


def protected(
    app: Application, settings: SecuritySettings, on_refusal: Callable[[str], None] | None = None
) -> Application:
    """Let only those in who may use an application, and set the headers that browsers guard their users by.

    It decides before a byte of the body is read. The application finds in `scope["state"]` the name of the `key`, ""
    where none is asked for, and the `request_id`, unless the server has set one; the key itself goes no further.

    Args:
        app: the ASGI application.
        settings: who may use it.
        on_refusal: is told the reason of each refusal.

    Raises:
        ConfigurationError: the file of keys cannot be used.
    """
    gate = Gate(settings)

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
        elif scope["type"] == "http":
            await _answer(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": "there are no web sockets here"})

    async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        origin = allowed_origin(headers, settings.origins)
        send = _with_headers(send, _answer_headers(scope, origin, settings.origins))
        if origin and is_preflight(scope, headers):
            await answer_preflight(send, headers)
            return
        state = scope.setdefault("state", {})
        state.setdefault("request_id", id_of(scope))
        try:
            state["key"] = gate.admit(scope)
        except DeniedError as denied:
            state["key"] = denied.key
            if on_refusal:
                on_refusal(denied.reason)
            await refuse(send, denied.status, denied.reason, denied.error, state["request_id"], denied.headers)
            return
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in KEY_HEADERS]
        await app(scope, receive, send)

    return guarded


def _answer_headers(scope: Scope, origin: str, origins: Collection[str]) -> list[tuple[bytes, bytes]]:
    told = {
        **_HEADERS,
        **(_HTTPS if scope.get("scheme") == "https" else {}),
        **(cors_headers(origin) if origin else {}),
    }
    lines = [(name.encode(), value.encode("latin-1")) for name, value in told.items()]
    return [*lines, (b"vary", b"origin")] if origins else lines


def _with_headers(send: Send, lines: list[tuple[bytes, bytes]]) -> Send:
    """Add headers to an answer that does not set them itself."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in message.get("headers", [])} - {b"vary"}
            message = {
                **message,
                "headers": [*message.get("headers", []), *(line for line in lines if line[0] not in own)],
            }
        await send(message)

    return sending
