"""Each way of being a bad request: the status, the stable reason, and no traceback."""

import asyncio
import json
import logging

import pytest
from starlette.testclient import TestClient
from tests.service.api.conftest import close, make_service

from cu_pipeline.inference.prediction_log import read_log
from cu_pipeline.service.api.body import MAX_JSON_BYTES
from cu_pipeline.service.engine.interface import OverloadedError
from cu_pipeline.service.refusal import MAX_DETAILS
from cu_pipeline.service.security.api_keys import KeyScope, NewKey, create_key, utc_now

JSON = {"content-type": "application/json"}
FORM = {"content-type": "multipart/form-data; boundary=b"}


def part(name, value, more=""):
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'.encode()


END = b"--b--\r\n"

BAD = {
    "deep": (JSON, b"[" * 100_000, 400, "json"),
    "deep object": (JSON, b'{"metadata":' + b'{"a":' * 900 + b"1" + b"}" * 901, 400, "json"),
    "no utf-8": (JSON, b'{"caption": "\xff"}', 400, "json"),
    "half a pair": (JSON, b'{"caption": "\\ud800"}', 400, "json"),
    "twice": (JSON, b'{"caption": "a", "caption": "b"}', 400, "json"),
    "nan": (JSON, b'{"caption": "a", "top_k": NaN}', 400, "json"),
    "digits": (JSON, b'{"top_k": ' + b"9" * 5000 + b"}", 400, "json"),
    "list": (JSON, b"[]", 400, "json"),
    "empty": (JSON, b"", 400, "json"),
    "nothing": (JSON, b"{}", 400, "nothing_to_classify"),
    "null": (JSON, b'{"caption": null}', 400, "string_type"),
    "number": (JSON, b'{"caption": 2024}', 400, "string_type"),
    "yes": (JSON, b'{"caption": "a", "explain": "yes"}', 400, "bool_type"),
    "zero": (JSON, b'{"caption": "a", "top_k": 0}', 400, "greater_than_equal"),
    "unknown capability": (JSON, b'{"caption": "a", "capabilities": ["mood"]}', 400, "unknown_capability"),
    "lang": (JSON, b'{"caption": "a", "lang": "not a tag"}', 400, "string_pattern_mismatch"),
    "video": (JSON, b'{"caption": "a", "video": "http://127.0.0.1/"}', 400, "not_a_file"),
    "long": (JSON, json.dumps({"caption": "a" * 20_001}).encode(), 400, "string_too_long"),
    "charset": ({"content-type": "application/json; charset=klingon"}, b"{}", 415, "charset"),
    "type": ({"content-type": "application/vnd.bentoml+pickle"}, b"cos\nsystem\n.", 415, "content_type"),
    "no type": ({}, b"{}", 415, "content_type"),
    "urlencoded": ({"content-type": "application/x-www-form-urlencoded"}, b"caption=a", 415, "content_type"),
    "no boundary": ({"content-type": "multipart/form-data"}, b"--b--", 400, "form"),
    "long boundary": ({"content-type": f"multipart/form-data; boundary={'b' * 5000}"}, b"--b--", 400, "form"),
    "no form": (FORM, b"caption=a", 400, "form"),
    "cut": (FORM, part("caption", "a"), 400, "form"),
    "no name": (FORM, b"--b\r\nContent-Disposition: form-data\r\n\r\na\r\n" + END, 400, "form"),
    "fields twice": (FORM, part("caption", "a") * 2 + END, 400, "duplicate"),
    "unknown field": (FORM, part("title", "a") + END, 400, "unknown_field"),
    "a url": (FORM, part("video", "http://127.0.0.1/clip.mp4") + END, 400, "not_a_file"),
    "a file": (FORM, part("caption", "a", '; filename="a.txt"') + END, 400, "not_text"),
    "no utf-8 field": (FORM, part("caption", "a").replace(b"\na\r", b"\n\xff\r") + END, 400, "charset"),
    "part's charset": (
        FORM,
        part("caption", "a", "\r\nContent-Type: text/plain; charset=klingon") + END,
        400,
        "charset",
    ),
    "metadata": (FORM, part("caption", "a") + part("metadata", "{") + END, 400, "json"),
    "many parts": (FORM, b"".join(part(f"f{one}", "a") for one in range(99)) + END, 400, "unknown_field"),
}


@pytest.mark.parametrize("path", ["/classify", "/embed"])
@pytest.mark.parametrize("name", BAD)
def test_bad_requests_are_told_from_failures(client, caplog, path, name):
    headers, body, status, reason = BAD[name]
    with caplog.at_level(logging.DEBUG):
        answer = client.post(path, content=body, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason), answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert len(answer.content) < 5_000
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize(
    "caption", ["", " \n\t", "\u200b\u2060\ufeff", "&#8203;", "\u3164", "\u00ad\u034f", "\ufe0f", "\u2800"]
)
def test_captions_that_nobody_can_see_are_nothing(client, service, caption):
    answer = client.post("/classify", json={"caption": caption})
    assert (answer.status_code, answer.json()["reason"]) == (400, "nothing_to_classify")
    result = client.post("/classify_batch", json={"clips": [{"caption": caption}]}).json()["results"][0]
    assert result["reason"] == "nothing_to_classify"
    service.log.flush()
    kept = {record.request_id for record in read_log(str(service.folder / "log")).records}
    assert not kept & {answer.json()["request_id"], result["request_id"]}


def test_the_problems_of_a_request_are_bounded_and_do_not_repeat_it(client):
    unknown = {f"key{number}": 0 for number in range(20_000)}
    answer = client.post("/classify", json=unknown)
    assert answer.status_code == 400
    assert len(answer.json()["detail"]) == MAX_DETAILS
    assert len(answer.content) < 5_000
    long = client.post("/classify", json={"caption": "a", "k" * 10_000: "secret"})
    assert "k" * 100 not in long.text
    assert "secret" not in long.text


def test_json_is_refused_as_soon_as_it_is_too_long(client, connect):
    assert client.post("/classify", json={"caption": "a" * MAX_JSON_BYTES}).json()["reason"] == "too_large"
    call = connect(
        messages=[b" " * 2**16] * 100, headers=[("content-type", "application/json"), ("transfer-encoding", "chunked")]
    )
    asyncio.run(call.run())
    assert (call.status, call.headers["connection"]) == (413, "close")


def test_forms_are_refused_by_the_announced_and_by_the_real_length(client, service):
    limit = service.running.settings.max_body_bytes
    assert client.post("/classify", files={"video": ("a.mp4", b"0" * limit)}).status_code == 413

    def pieces():
        yield part("video", "", '; filename="a.mp4"')[:-2]
        for _ in range(limit // 2**16 + 1):
            yield b"0" * 2**16

    assert client.post("/classify", content=pieces(), headers=FORM).status_code == 413
    assert list((service.folder / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/classify", 405),
        ("BREW", "/classify", 405),
        ("PUT", "/feedback", 405),
        ("POST", "/models", 404),
        ("POST", "/classify/", 404),
        ("GET", "/no/such/path", 404),
    ],
)
def test_paths_and_methods_that_are_not_there(client, method, path, status):
    answer = client.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "reason", "request_id"}
    assert ("allow" in answer.headers) == (status == 405)


def test_a_refused_clip_says_why(client):
    answer = client.post("/classify", files={"video": ("a.mp4", b"broken")})
    assert (answer.status_code, answer.json()["reason"]) == (422, "not_media")


def test_overload_says_when_to_come_again(client):
    answer = client.post("/classify", json={"caption": "full"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


def test_who_asks_too_often_is_told_to_those_who_run_the_service(tmp_path, caplog):
    caplog.set_level(logging.INFO, "bentoml.cu_pipeline")
    slow, _ = create_key(tmp_path / "keys.json", NewKey("ann", rate="1/h"), utc_now())
    watcher, _ = create_key(tmp_path / "keys.json", NewKey("watcher", (KeyScope.METRICS,)), utc_now())
    service = make_service(tmp_path)
    with TestClient(service.app) as client:
        told = [client.post("/classify", json={"caption": "a"}, headers={"x-api-key": slow}) for _ in range(2)]
        metrics = client.get("/metrics", headers={"x-api-key": watcher}).text
    close(service)
    assert [one.status_code for one in told] == [200, 429]
    assert 'cu_pipeline_requests_total{method="POST",route="/classify",status="429"} 1.0' in metrics
    assert [line.split()[1:4] + line.split()[-2:] for line in caplog.messages if "/classify" in line] == [
        ["POST", "/classify", status, "by", "ann"] for status in ("200", "429")
    ]


def test_a_failure_tells_the_client_nothing_of_itself(client, caplog):
    answer = client.post("/classify", json={"caption": "fail"}, headers={"x-request-id": "r-500"})
    assert (answer.status_code, answer.json()["reason"]) == (500, "internal")
    assert "secret" not in answer.text
    assert "r-500" in caplog.text


def test_a_video_is_refused_before_it_is_received_where_there_is_no_room(client, service):
    service.engine.full = True
    try:
        refused = client.post("/classify", files={"video": ("clip.mp4", b"x" * 2**17)}, data={"caption": "a caption"})
        answered = client.post("/classify", json={"caption": "a caption"})
    finally:
        service.engine.full = False
    assert (refused.status_code, refused.json()["reason"], refused.headers["retry-after"]) == (429, "overloaded", "7")
    assert answered.status_code == 200


def test_of_videos_that_arrive_together_those_without_room_leave_no_trace(service, connect, monkeypatch):
    made, whole = [], part("video", "a video", '; filename="clip.mp4"') + END
    make_folder = service.running.workspace.request_folder
    monkeypatch.setattr(service.running.workspace, "request_folder", lambda: made.append(make_folder()) or made[-1])
    monkeypatch.setattr(service.engine, "check_room", lambda has_media, beside=0: at_most(2, beside))

    async def all_at_once():
        headers = FORM | {"content-length": str(len(whole))}
        return await asyncio.gather(*(connect(messages=[whole], headers=headers.items()).run() for _ in range(5)))

    assert sorted(one.status for one in asyncio.run(all_at_once())) == [200, 200, 429, 429, 429]
    assert len(made) == 2
    assert asyncio.run(all_at_once())[0].status == 200, "places are free again"


def at_most(room, beside):
    if beside >= room:
        raise OverloadedError("video", 7)
