"""Reading files from web servers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Final

from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.ingest.transports import Body, TemporaryError

if TYPE_CHECKING:
    import httpx

_VERSION: Final = ("ETag", "Last-Modified", "Content-Length")
_CONDITIONS: Final = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
_BUSY: Final = {408, 425, 429}
_MAKING: Final = Lock()


@contextmanager
def open_web(address: str, known: str, wait_s: float) -> Iterator[Body | None]:
    """Open a file by one GET, which the server may answer with "not modified": a `Transport`."""
    import httpx

    before = json.loads(known or "{}")
    headers = {_CONDITIONS[name]: value for name, value in before.items() if name in _CONDITIONS}
    with _telling():
        request = _client().build_request("GET", address, headers=headers, timeout=httpx.Timeout(wait_s))
        response = _client().send(request, stream=True)
    try:
        if response.status_code != httpx.codes.NOT_MODIFIED:
            _check(response)
        facts = {name: response.headers[name] for name in _VERSION if name in response.headers}
        if response.status_code == httpx.codes.NOT_MODIFIED or (before and facts == before):
            yield None
        else:
            size = facts.get("Content-Length", "")
            version = json.dumps(facts) if facts else ""
            yield Body(version, int(size) if size.isdigit() else None, _blocks(response))
    finally:
        response.close()


def hang_up() -> None:
    """Close all connections; whoever fetches next opens new ones."""
    with _MAKING:
        if _made_client.cache_info().currsize:
            _made_client().close()
            _made_client.cache_clear()


def _client() -> "httpx.Client":
    """Give the one client of all threads: its connections are used again."""
    with _MAKING:
        return _made_client()


@cache
def _made_client() -> "httpx.Client":
    import httpx

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
    return httpx.Client(follow_redirects=True, limits=limits, headers={"Accept-Encoding": "identity"})


def _check(response: "httpx.Response") -> None:
    if response.is_success:
        return
    seen = f"the server answered {response.status_code} {response.reason_phrase}".rstrip()
    if response.status_code in {404, 410}:
        raise BadClipError(Reason.MISSING, seen)
    if response.is_server_error or response.status_code in _BUSY:
        raise TemporaryError(seen)
    raise BadClipError(Reason.UNREACHABLE, seen)


def _blocks(response: "httpx.Response") -> Iterator[bytes]:
    with _telling():
        yield from response.iter_raw()


@contextmanager
def _telling() -> Iterator[None]:
    import httpx

    try:
        yield
    except httpx.TransportError as error:
        raise TemporaryError(f"{type(error).__name__}: {error}") from error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise BadClipError(Reason.UNREACHABLE, f"{type(error).__name__}: {error}") from error
