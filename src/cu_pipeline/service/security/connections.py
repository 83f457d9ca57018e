"""Bounds what a connection may send, and how long it may take, before there is a request that anybody could refuse.

uvicorn takes a head of any length, in any time: one client could fill a worker's memory, or keep its connections.
"""

import asyncio
from http import HTTPStatus
from typing import Final
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cu_pipeline.service.refusal import REQUEST_ID, Refusal

HEAD_BYTES: Final = 2**16
HEAD_S: Final = 10.0

_WORDS: Final = {
    HTTPStatus.BAD_REQUEST: ("bad_request", "this is no HTTP request"),
    HTTPStatus.REQUEST_TIMEOUT: ("too_slow", f"the request's head took longer than {HEAD_S:g} s"),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (
        "head_too_large",
        f"the request's head, its path and headers, is longer than {HEAD_BYTES:,} bytes",
    ),
}


class BoundedHeads(HttpToolsProtocol):
    """uvicorn's connection, which is closed when the head of a request is too long or comes too slowly."""

    _in_head = True
    _advanced = False
    _head_bytes = 0
    """That brought neither a whole head nor a byte of a body, which endless trailers do not bring either."""
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take bytes of a head or a body."""
        self._advanced = False
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head:
            self._wait()
        self._head_bytes = 0 if self._advanced else self._head_bytes + len(data)
        if self._head_bytes > HEAD_BYTES:
            self._close(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Hand the request over: from here on others watch it."""
        self._in_head, self._advanced = False, True
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect the head of the next request."""
        super().on_message_complete()
        self._in_head = self._advanced = True

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._advanced = True
        super().on_body(body)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop_waiting()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Refuse what is no HTTP, in the form of all refusals."""
        self._close(HTTPStatus.BAD_REQUEST)

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self._answering():
            self._close(HTTPStatus.REQUEST_TIMEOUT)

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _close(self, status: HTTPStatus) -> None:
        if not self._answering() and (self._head_bytes or status != HTTPStatus.REQUEST_TIMEOUT):
            self._refuse(status)
        self.transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        reason, error = _WORDS[status]
        name = uuid4().hex
        body = Refusal(error=error, reason=reason, request_id=name).model_dump_json(exclude_none=True)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\nconnection: close\r\n"
            f"{REQUEST_ID}: {name}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self.transport.write((head + body).encode())
