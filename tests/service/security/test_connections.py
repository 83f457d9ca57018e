import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from cu_pipeline.service.security import connections
from cu_pipeline.service.security.server import bound_heads

HEAD_S = 0.4
SLOW_ANSWER_S = 1.0


async def behind(scope: Any, receive: Any, send: Any) -> None:
    """Read the body, and answer with its length; `/slow` takes its time."""
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(SLOW_ANSWER_S)
    body = str(length).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uvicorn.protocols.http.auto.AutoHTTPProtocol", None)
        patch.setattr(connections, "HEAD_S", HEAD_S)
        bound_heads()
        server = uvicorn.Server(uvicorn.Config(behind, port=0, lifespan="off", log_level="critical", ws="none"))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()
        server.should_exit = True
        thread.join()


@pytest.fixture
def client(address: tuple[str, int]) -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=5) as made:
        yield made


def answer(client: socket.socket) -> tuple[int, bytes]:
    received = client.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def send_endlessly(client: socket.socket, piece: bytes) -> int:
    """Send until the other side closes; give the bytes that were sent."""
    sent = 0
    try:
        while sent < 50 * 2**20:
            client.sendall(piece)
            sent += len(piece)
    except OSError:
        return sent
    pytest.fail("it took 50 MiB")


HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"


def test_requests_follow_each_other_on_a_connection(client: socket.socket) -> None:
    for length in (0, 5, 300_000):
        client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % length + b"x" * length)
        assert answer(client) == (200, str(length).encode())


def test_a_head_that_is_too_long_is_refused(client: socket.socket) -> None:
    client.sendall(HEAD + b"A: " + b"a" * (connections.HEAD_BYTES + 1))
    status, body = answer(client)
    assert (status, json.loads(body)["reason"]) == (431, "head_too_large")


@pytest.mark.parametrize(
    "begin",
    [
        HEAD + b"A: ",
        b"GET /",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: ",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;",
    ],
    ids=["header", "path", "trailer", "chunk extension"],
)
def test_nothing_but_a_body_is_long(client: socket.socket, begin: bytes) -> None:
    client.sendall(begin)
    assert send_endlessly(client, b"a" * 10_000) < 10 * 2**20


def test_many_headers_are_long_too(client: socket.socket) -> None:
    client.sendall(HEAD)
    assert send_endlessly(client, b"A: a\r\n" * 100) < 10 * 2**20


def closed_after(client: socket.socket, each: Callable[[], object] = lambda: None) -> float:
    """Seconds until the other side closes; `each` is called all the time."""
    begun = time.monotonic()
    client.settimeout(0.05)
    while time.monotonic() < begun + 5:
        try:
            each()
            if not client.recv(1000):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - begun


@pytest.mark.parametrize("drop", [b"", b"a", b"\r\n"])
def test_a_head_has_a_limited_time(client: socket.socket, drop: bytes) -> None:
    if drop == b"a":
        client.sendall(HEAD)
    assert HEAD_S * 0.9 < closed_after(client, lambda: client.sendall(drop)) < 5 * HEAD_S


def test_blank_lines_between_requests_do_not_keep_a_connection(client: socket.socket) -> None:
    client.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
    assert answer(client)[0] == 200
    assert closed_after(client, lambda: client.sendall(b"\r\n")) < 5 * HEAD_S


def test_who_waits_for_a_slow_answer_gets_it(client: socket.socket) -> None:
    client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer(client) == (200, b"0")


def test_a_slow_body_is_left_to_others(client: socket.socket) -> None:
    client.sendall(HEAD + b"Content-Length: 3\r\n\r\n")
    for _ in range(3):
        time.sleep(HEAD_S / 2)
        client.sendall(b"x")
    assert answer(client) == (200, b"3")


def test_what_is_no_request_is_refused_in_the_form_of_all_refusals(client: socket.socket) -> None:
    client.sendall(b"\x16\x03\x01\x02\x00\r\n\r\n")
    status, body = answer(client)
    assert (status, json.loads(body)["reason"]) == (400, "bad_request")
