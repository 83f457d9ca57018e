"""What is around every request: its id, its line in the log, its files' end, and an answer whatever happens."""

import asyncio
import logging
import shutil
import time
from http import HTTPStatus
from pathlib import Path
from typing import Final

from anyio import to_thread

from cu_pipeline.service.api.body import ClientGoneError
from cu_pipeline.service.api.running import Running
from cu_pipeline.service.drain import Drain
from cu_pipeline.service.metric_files import OTHER
from cu_pipeline.service.refusal import (
    REQUEST_ID,
    RETRY_AFTER,
    Application,
    Message,
    Receive,
    Scope,
    Send,
    id_of,
    refuse,
)
from cu_pipeline.service.security.routes import SCOPES

CLIENT_GONE: Final = 499
"""What the log says of a request whose client left; nobody is answered so."""

LINGER_S: Final = 2.0
LINGER_IDLE_S: Final = 0.5

_logger = logging.getLogger("bentoml.cu_pipeline")


class Envelope:
    """ASGI middleware around all others.

    Args:
        app: the application behind.
        running: what the worker answers with.
    """

    def __init__(self, app: Application, running: Running) -> None:
        self._app = app
        self._running = running

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        exchange = _Exchange(receive, send, id_of(scope), self._running.drain, has_body=_has_body(scope))
        scope["state"] = {**scope.get("state", {}), "request_id": exchange.request_id}
        began = time.monotonic()
        try:
            with self._running.drain.request():
                await self._app(scope, exchange.receive, exchange.send)
        except ClientGoneError:
            exchange.status = CLIENT_GONE
        except asyncio.CancelledError:
            await self._cancelled(exchange)
        except Exception:
            _logger.exception("request %s failed", exchange.request_id)
        finally:
            await _remove(scope["state"].get("folder"))
            self._tell(scope, exchange, time.monotonic() - began)

    def _tell(self, scope: Scope, exchange: "_Exchange", seconds: float) -> None:
        route, method, status = route_of(scope), str(scope["method"]), exchange.status
        self._running.metrics.request(route, method, status, seconds)
        shown = method[:16] if method.isalpha() else "?"
        key = scope["state"].get("key")
        by = f" by {key}" if key else ""
        _logger.info("%s %s %s %s %.1f ms%s", exchange.request_id, shown, route, status, 1000 * seconds, by)

    async def _cancelled(self, exchange: "_Exchange") -> None:
        """Tell the client of a request that the end of the service cancelled; other cancellations go on."""
        task = asyncio.current_task()
        if not self._running.drain.over or task is None:
            raise  # noqa: PLE0704 - it is called where the error is handled
        task.uncancel()
        if not exchange.started:
            error = "the service is ending: send the request again"
            status = HTTPStatus.SERVICE_UNAVAILABLE
            await refuse(exchange.send, status, "shutting_down", error, exchange.request_id, RETRY_AFTER)


class _Exchange:
    """One request and its answer, as they pass.

    The answer to a request whose body was not read to its end would be lost with some clients when the connection is
    closed: the rest of the body is thrown away for a moment.
    """

    def __init__(self, receive: Receive, send: Send, request_id: str, drain: Drain, *, has_body: bool) -> None:
        self._drain = drain
        self.request_id = request_id
        self.status = 0
        self.started = False
        self._gone = False
        self._receive = receive
        self._send = send
        self._received = not has_body

    async def receive(self) -> Message:
        message = await self._receive()
        self._gone = message["type"] == "http.disconnect"
        if self._gone or not message.get("more_body", False):
            self._received = True
        return message

    async def send(self, message: Message) -> None:
        if self._gone and not self.started:
            return
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            headers = [one for one in message.get("headers", ()) if one[0].lower() != REQUEST_ID.encode()]
            headers.append((REQUEST_ID.encode(), self.request_id.encode()))
            if self._is_early:
                headers = [*(one for one in headers if one[0].lower() != b"connection"), (b"connection", b"close")]
            message = {**message, "headers": headers}
        elif self._is_early and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            if self.status != HTTPStatus.REQUEST_TIMEOUT:
                await self._throw_away_the_rest()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    @property
    def _is_early(self) -> bool:
        """Whether a refusal comes before all of the body."""
        return not self._received and self.status >= HTTPStatus.BAD_REQUEST

    async def _throw_away_the_rest(self) -> None:
        end = time.monotonic() + LINGER_S
        while not self._received and not self._drain.begun and (left := end - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(min(left, LINGER_IDLE_S)):
                    await self.receive()
            except TimeoutError:
                return


def _has_body(scope: Scope) -> bool:
    told = {name.lower(): value for name, value in scope["headers"]}
    return b"transfer-encoding" in told or told.get(b"content-length", b"0").strip() != b"0"


def route_of(scope: Scope) -> str:
    """The template of the route that answered, or would have but for a refusal before it; else `other`."""
    asked = scope["path"] if scope["path"] in SCOPES else OTHER
    return str(getattr(scope.get("route"), "path", asked))


async def _remove(folder: Path | None) -> None:
    if folder is not None:
        await to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))
