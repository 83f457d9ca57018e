"""Reading the files behind addresses: of web servers, and of stores that fsspec knows (`s3://`, `gs://` and others)."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Protocol

from cu_pipeline.core.addresses import scheme_of
from cu_pipeline.core.errors import BadClipError, ManifestError, Reason
from cu_pipeline.core.places import EXTRAS, store_options

if TYPE_CHECKING:
    import httpx


BLOCK: Final = 8 * 2**20
"""Bytes that are asked for at once."""


@dataclass(frozen=True)
class Body:
    """A file behind an address, about to be read.

    Attributes:
        version: what its store says of it that a later content would change; "" when it says nothing.
        size: in bytes; None when not told.
        blocks: the bytes; taking them raises what `Transport` raises.
    """

    version: str
    size: int | None
    blocks: Iterator[bytes]


class Transport(Protocol):
    """A way to read the file behind an address."""

    def __call__(self, address: str, known: str, wait_s: float) -> AbstractContextManager[Body | None]:
        """Open the file.

        Args:
            address: where it is.
            known: the version that was read before; "" when there is none.
            wait_s: seconds of silence after which the store counts as not answering.

        Returns:
            The file; None when it is still `known`.

        Raises:
            BadClipError: `missing`, or `unreachable`; a `TemporaryError` where it is worth another attempt.
            ManifestError: a package is not installed.
        """
        ...


class TemporaryError(BadClipError):
    """A failure that another attempt may not meet.

    Args:
        detail: what was seen, for a person.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(Reason.UNREACHABLE, detail)


_WEB_VERSION: Final = ("ETag", "Last-Modified", "Content-Length")
_CONDITIONS: Final = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
_BUSY: Final = {408, 425, 429}
_MAKING: Final = Lock()


@contextmanager
def open_web(address: str, known: str, wait_s: float) -> Iterator[Body | None]:
    """Open a file by one GET, which the server may answer with "not modified": a `Transport`."""
    import httpx

    before = json.loads(known or "{}")
    headers = {_CONDITIONS[name]: value for name, value in before.items() if name in _CONDITIONS}
    with _web_faults_told():
        request = _client().build_request("GET", address, headers=headers, timeout=httpx.Timeout(wait_s))
        response = _client().send(request, stream=True)
    try:
        if response.status_code != httpx.codes.NOT_MODIFIED:
            _check(response)
        facts = {name: response.headers[name] for name in _WEB_VERSION if name in response.headers}
        if response.status_code == httpx.codes.NOT_MODIFIED or (before and facts == before):
            yield None
        else:
            size = facts.get("Content-Length", "")
            version = json.dumps(facts) if facts else ""
            yield Body(version, int(size) if size.isdigit() else None, _web_blocks(response))
    finally:
        response.close()


def hang_up() -> None:
    """Close all connections; whoever fetches next opens new ones."""
    with _MAKING:
        if _made_client.cache_info().currsize:
            _made_client().close()
            _made_client.cache_clear()


def _client() -> "httpx.Client":
    """Share the one client of all threads: its connections are used again."""
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


def _web_blocks(response: "httpx.Response") -> Iterator[bytes]:
    with _web_faults_told():
        yield from response.iter_raw()


@contextmanager
def _web_faults_told() -> Iterator[None]:
    import httpx

    try:
        yield
    except httpx.TransportError as error:
        raise TemporaryError(f"{type(error).__name__}: {error}") from error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise BadClipError(Reason.UNREACHABLE, f"{type(error).__name__}: {error}") from error


_STORE_VERSION: Final = (
    "ETag",
    "etag",
    "Content-MD5",
    "md5Hash",
    "size",
    "mtime",
    "LastModified",
    "last_modified",
    "created",
)
_HOPELESS: Final = {"NoCredentialsError", "PartialCredentialsError", "ParamValidationError"}


@contextmanager
def open_stored(address: str, known: str, wait_s: float) -> Iterator[Body | None]:
    """Open a file through fsspec: a `Transport`."""
    with _store_faults_told():
        store, path = open_store(address, wait_s)
        info = store.info(path)
        if info["type"] == "directory":
            raise BadClipError(Reason.MISSING, "it is a folder")
        version = version_of(info)
        stream = None if known and version == known else store.open(path, "rb", block_size=BLOCK)
    if stream is None:
        yield None
        return
    with stream:
        yield Body(version, info.get("size"), _store_blocks(stream))


def open_store(address: str, wait_s: float) -> tuple[Any, str]:
    """Find the file system behind an address, and the path in it.

    Raises:
        ManifestError: a package is not installed.
        ValueError: there is no such scheme.
    """
    import fsspec

    scheme = scheme_of(address)
    try:
        return fsspec.url_to_fs(address, **_options(scheme, wait_s))
    except ImportError as error:
        remedy = f"pip install 'cu-pipeline[{EXTRAS[scheme]}]'" if scheme in EXTRAS else str(error)
        raise ManifestError(f"{address!r} needs a package that is not installed. Remedy: {remedy}") from error


def version_of(info: dict[str, Any]) -> str:
    """Ask what a store says of a file that a later content would change; "" when it says nothing."""
    facts = {name: info[name] for name in _STORE_VERSION if info.get(name) is not None}
    return json.dumps(facts, sort_keys=True, default=str) if facts else ""


def _options(scheme: str, wait_s: float) -> dict[str, Any]:
    if scheme in {"http", "https"}:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=wait_s, sock_read=wait_s)
        return {"client_kwargs": {"timeout": timeout}}
    return store_options(scheme, wait_s)


def _store_blocks(stream: Any) -> Iterator[bytes]:
    with _store_faults_told():
        yield from iter(lambda: stream.read(BLOCK), b"")


@contextmanager
def _store_faults_told() -> Iterator[None]:
    try:
        yield
    except (BadClipError, ManifestError):
        raise
    except (FileNotFoundError, IsADirectoryError) as error:
        raise BadClipError(Reason.MISSING, "there is no such file in the store") from error
    except Exception as error:  # each store has errors of its own
        seen = f"{type(error).__name__}: {error}"
        if isinstance(error, (PermissionError, ValueError)) or type(error).__name__ in _HOPELESS:
            raise BadClipError(Reason.UNREACHABLE, seen) from error
        raise TemporaryError(seen) from error
