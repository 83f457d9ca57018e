"""Hundreds of hostile requests, drawn from a seed: each is answered as the description says, and none by a failure."""

import json
import random

import pytest
from starlette.testclient import TestClient

SEED = 20_261
REQUESTS = 500

TEXTS = ["a goal", "", "\u200b", "\x00", "slow\ud7ff", "😀" * 9, "a" * 30_000, "%00", "../etc/passwd", "null", "[" * 50]
VALUES = [None, True, 0, -1, 10**30, 1.5, "", [], {}, [[]], {"a": {"b": [1]}}, ["topic"], "topic", *TEXTS]
FIELDS = ["caption", "clip_id", "creator", "feed", "lang", "metadata", "capabilities", "top_k", "explain", "video", "x"]
FEEDBACK = ["request_id", "capability", "label", "annotator", "comment", "x"]
POSTS = ["/classify", "/embed", "/classify_batch", "/feedback"]
PATHS = [*POSTS, "/capabilities", "/readyz", "/metrics", "/captures/x", "/%00", "/"]
METHODS = ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"]
JSON, FORM = "application/json", "multipart/form-data; boundary=b"
TYPES = [JSON, FORM, f"{JSON}; charset=utf-16", f'{JSON}; charset="', f"{JSON}, text/plain", "multipart/form-data"]
TYPES += ['multipart/form-data; boundary="b', "MULTIPART/FORM-DATA; BOUNDARY=b", "text/plain", "", ";;;"]
JUNK = [b"", b"\x00" * 99, b"--b", b"--b--", b"--b\r\n\r\n", b"{", b"\xff\xfe{}", b'"', b"[]", b"--b\r\nX: x\r\n\r\n"]
DISPOSITIONS = ["", "", '; filename="a.mp4"', '; filename=""', "; filename*=utf-8''%ff", '; filename="']


def json_body(rng, path):
    fields = rng.sample(FEEDBACK if path == "/feedback" else FIELDS, rng.randint(0, 4))
    body = {name: rng.choice(VALUES) for name in fields} | ({"caption": "a goal"} if rng.random() < 0.5 else {})
    if path == "/classify_batch" and rng.random() < 0.8:
        body = {"clips": rng.choice([[body], [body] * 3, body, [rng.choice(VALUES)], []])}
    return json.dumps(body).encode()


def form_body(rng):
    body = b""
    for _ in range(rng.randint(0, 4)):
        name, value = rng.choice([*FIELDS, "clips"]), rng.choice(TEXTS).encode("utf-8", "surrogatepass")
        more = rng.choice(["", "Content-Type: x; charset=y\r\n", "X\r\n"])
        head = f'Content-Disposition: form-data; name="{name}"{rng.choice(DISPOSITIONS)}\r\n{more}\r\n'
        body += b"--b\r\n" + head.encode() + value + b"\r\n"
    return body + rng.choice([b"--b--\r\n", b"--b--\r\n", b"", b"--c--"])


def mutated(rng, body):
    if rng.random() < 0.7 or not body:
        return body
    place = rng.randrange(len(body))
    return rng.choice([body[:place], body[:place] + bytes([rng.randrange(256)]) + body[place + 1 :], body + body])


def drawn(rng):
    path, method = rng.choice([*POSTS * 4, *PATHS]), rng.choice([*["POST"] * 6, *METHODS])
    kind = rng.choice([*[JSON, FORM] * 6, *TYPES])
    body = form_body(rng) if kind.startswith("multi") else json_body(rng, path)
    if rng.random() < 0.3:
        body = rng.choice([json_body(rng, path), form_body(rng), rng.choice(JUNK)])
    headers = {"content-type": kind} if kind else {}
    if rng.random() < 0.1:
        headers["x-request-id"] = rng.choice(["ok-1", "a b", "a" * 129, "%00"])
    return path, method, headers, mutated(rng, body)


@pytest.fixture(scope="module")
def description(service):
    with TestClient(service.app, base_url="http://localhost", client=("127.0.0.1", 1)) as client:
        return client.get("/openapi.json").json()


def test_hostile_requests_get_documented_answers_and_no_failure(client, description, caplog):
    rng = random.Random(SEED)
    seen = {}
    for number in range(REQUESTS):
        path, method, headers, body = drawn(rng)
        answer = client.request(method, path, headers=headers, content=body)
        told = f"request {number}: {method} {path} {headers} {body[:300]!r} -> {answer.status_code} {answer.text[:300]}"
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        assert answer.status_code != 500, told
        assert len(answer.content) < 2**16 or path == "/", told
        operation = description["paths"].get(path, {}).get(method.lower())
        if operation is None:
            assert answer.status_code in {200, 404, 405}, told
        else:
            assert str(answer.status_code) in operation["responses"], told
        if answer.status_code >= 400 and method != "HEAD":
            assert answer.json().keys() >= {"error", "reason", "request_id"}, told
            assert answer.json()["request_id"] == answer.headers["x-request-id"], told
    assert {200, 400, 404, 405, 415} <= seen.keys()
    assert not any(record.exc_info for record in caplog.records)
    assert len(client.get("/metrics").content) < 2**16


def test_every_answer_of_the_description_has_its_schema(description):
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                where = f"{method} {path} {status}"
                assert answer["description"], where
                if int(status) >= 400:
                    schema = answer["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Refusal"}, where
                if status in {"429", "503"}:
                    assert "Retry-After" in answer["headers"], where
