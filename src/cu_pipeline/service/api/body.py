"""Reading a request's body within limits of size and time, and JSON from it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request

from cu_pipeline.service.refusal import Problem, Receive, RefusedError, unavailable

MAX_JSON_BYTES: Final = 2**18

JSON: Final = "application/json"
FORM: Final = "multipart/form-data"

_CHARSETS: Final = {"utf-8", "utf8", "us-ascii", "ascii"}
MAX_DEPTH: Final = 32
"""Objects and lists in one another."""

_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


class ClientGoneError(Exception):
    """The client closed the connection: nobody waits for an answer."""


@dataclass(frozen=True)
class BodyLimits:
    """What a body may have.

    Attributes:
        idle_s: seconds without a byte.
        total_s: seconds from its first byte to its last.
        max_bytes: of a form.
    """

    idle_s: float
    total_s: float
    max_bytes: int


class UploadGate:
    """Counts the bodies that are being read, and lets in no more than a number of them.

    Args:
        most: at a time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = 0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Hold a place while a body is read.

        Raises:
            RefusedError: there is none.
        """
        if self._open >= self._most:
            told = f"{self._most} requests are being received, which is all that is accepted at a time: try again later"
            raise unavailable("too_many_uploads", told)
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1


async def chunks(receive: Receive, limits: BodyLimits, max_bytes: int) -> AsyncIterator[bytes]:
    """Read a body piece by piece.

    Args:
        receive: of the request.
        limits: of its time.
        max_bytes: of all of it.

    Raises:
        RefusedError: it is too large or comes too slowly.
        ClientGoneError: it will never be whole.
    """
    end = asyncio.get_running_loop().time() + limits.total_s
    taken = 0
    while True:
        try:
            async with asyncio.timeout(min(limits.idle_s, end - asyncio.get_running_loop().time())):
                message = await receive()
        except TimeoutError:
            raise RefusedError(
                HTTPStatus.REQUEST_TIMEOUT,
                "upload_timeout",
                f"the body came too slowly: at most {limits.idle_s:g} s may pass without a byte of it, "
                f"and {limits.total_s:g} s for all of it",
            ) from None
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        piece: bytes = message.get("body", b"")
        taken += len(piece)
        if taken > max_bytes:
            raise too_large(max_bytes)
        if piece:
            yield piece
        if not message.get("more_body", False):
            return


def too_large(max_bytes: int) -> RefusedError:
    """The refusal of a body that is over a limit."""
    return RefusedError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"the body is larger than the {max_bytes} bytes accepted"
    )


def media_type(request: Request, allowed: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """Find what a body says to be: its type and its parameters.

    Raises:
        RefusedError: it is none of the allowed ones, or in another charset than UTF-8.
    """
    from python_multipart.multipart import parse_options_header

    told = request.headers.getlist("content-type")
    kind, options = parse_options_header(told[0] if len(told) == 1 else "")
    parameters = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in options.items()}
    if kind.decode("latin-1") not in allowed:
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "content_type",
            f"send one header Content-Type: {' or '.join(allowed)}",
        )
    if parameters.get("charset", "utf-8").lower() not in _CHARSETS:
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "charset", "send the body in UTF-8")
    return kind.decode("latin-1"), parameters


def check_announced(request: Request, max_bytes: int) -> None:
    """Refuse a body whose announced length is over the limit, before any of it is read.

    Raises:
        RefusedError: it is.
    """
    length = request.headers.get("content-length", "0")
    if not re.fullmatch(r"\d{1,18}", length) or int(length) > max_bytes:
        raise too_large(max_bytes)


async def read_json(request: Request, limits: BodyLimits, gate: UploadGate) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RefusedError: the body is none, or it is over a limit.
        ClientGoneError: it will never be whole.
    """
    check_announced(request, MAX_JSON_BYTES)
    with gate.enter():
        body = b"".join([piece async for piece in chunks(request.receive, limits, MAX_JSON_BYTES)])
    return parse_object(body, "body")


def parse_object(body: bytes, place: str) -> dict[str, Any]:
    """Read a JSON object from bytes.

    Raises:
        RefusedError: they are none; a key that stands twice and half a surrogate pair are no JSON either.
    """
    found = parse_json(body, place)
    if not isinstance(found, dict):
        raise bad_request([Problem(loc=[place], type="json", msg='send a JSON object such as {"caption": "..."}')])
    return found


def parse_json(body: bytes, place: str) -> Any:
    """Read any JSON value; see `parse_object`."""
    try:
        text = body.decode("utf-8")
        found = json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_number)
        if _SURROGATE.search(text):
            json.dumps(found, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise bad_request([Problem(loc=[place], type="json", msg="it is not UTF-8")]) from None
    except RecursionError:
        raise bad_request([Problem(loc=[place], type="json", msg="it is nested too deeply")]) from None
    except ValueError as error:
        message = error.msg if isinstance(error, json.JSONDecodeError) else str(error)[:200]
        raise bad_request([Problem(loc=[place], type="json", msg=f"it is not JSON: {message}")]) from None
    if _depth(found) > MAX_DEPTH:
        raise bad_request([Problem(loc=[place], type="json", msg=f"it is nested more than {MAX_DEPTH} deep")])
    return found


def _depth(value: Any) -> int:
    """How deep lists and objects are in one another; deeper than the limit is not looked."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        inner: list[Any] = []
        for one in level:
            inner += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        nested = any(isinstance(one, dict | list) for one in level)
        depth, level = depth + nested, inner
    return depth


def bad_request(problems: list[Problem]) -> RefusedError:
    """The refusal of a request that is not as it must be."""
    first = problems[0]
    where = ".".join(map(str, first.loc))
    more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
    return RefusedError(HTTPStatus.BAD_REQUEST, first.type, f"{where}: {first.msg}{more}", problems)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
