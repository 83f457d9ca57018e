import asyncio
import json

import pytest

from cu_pipeline.service.requests import RequestGuard

LIMIT = 100


class Application:
    """Reads the whole body, as a parser does, and hides what happens to it as BentoML does."""

    def __init__(self):
        self.taken = 0

    async def __call__(self, scope, receive, send):
        status = 200
        try:
            more = True
            while more:
                message = await receive()
                self.taken += len(message["body"])
                more = message["more_body"]
        except Exception:
            status = 500
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def request(headers, chunks=(b"",), method="POST"):
    application = Application()
    sent = []
    waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    waiting[-1]["more_body"] = False

    async def receive():
        return waiting.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "headers": [(k.encode(), v.encode()) for k, v in headers]}
    asyncio.run(RequestGuard(application, lambda: LIMIT)(scope, receive, send))
    starts = [message for message in sent if message["type"] == "http.response.start"]
    assert len(starts) == 1
    return starts[0]["status"], sent[-1]["body"], application


@pytest.mark.parametrize(
    "kind", ["multipart/form-data; boundary=x", "application/json", "Application/JSON; charset=utf-8"]
)
def test_accepted_content_types_pass(kind):
    status, _, application = request([("content-type", kind)], [b"12", b"34"])
    assert (status, application.taken) == (200, 4)


@pytest.mark.parametrize(
    "kind",
    [
        "application/vnd.bentoml+pickle",
        "application/vnd.bentoml+pickle; application/json",
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json-seq",
        "",
    ],
)
def test_other_content_types_are_refused_unread(kind):
    status, body, application = request([("content-type", kind)], [b"12"])
    assert (status, application.taken) == (415, 0)
    assert json.loads(body)["reason"] == "content_type"


def test_two_content_types_are_refused():
    headers = [("content-type", "application/json"), ("content-type", "application/vnd.bentoml+pickle")]
    assert request(headers)[0] == 415


def test_a_body_without_content_type_is_read_as_json_and_passes():
    assert request([])[0] == 200


def test_an_announced_length_over_the_limit_is_refused_unread():
    headers = [("content-type", "application/json"), ("content-length", "101")]
    status, body, application = request(headers, [b"x" * 101])
    assert (status, application.taken) == (413, 0)
    assert "100" in json.loads(body)["error"]


@pytest.mark.parametrize("length", ["-1", "1e3", "", "9" * 400])
def test_an_unreadable_length_is_refused(length):
    assert request([("content-type", "application/json"), ("content-length", length)])[0] == 413


def test_a_body_without_length_is_cut_at_the_limit():
    status, body, application = request([("content-type", "application/json")], [b"x" * 60] * 10)
    assert (status, application.taken) == (413, 60)
    assert json.loads(body)["reason"] == "too_large"


def test_a_body_of_exactly_the_limit_passes():
    assert request([("content-type", "application/json")], [b"x" * 50] * 2)[0] == 200


def test_reading_methods_pass():
    assert request([("content-type", "text/plain")], method="GET")[0] == 200


def test_errors_of_the_application_are_not_swallowed():
    async def broken(scope, receive, send):
        raise KeyError("bug")

    scope = {"type": "http", "method": "POST", "headers": []}
    with pytest.raises(KeyError):
        asyncio.run(RequestGuard(broken, lambda: LIMIT)(scope, None, None))
