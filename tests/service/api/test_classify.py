import json

import pytest
from starlette.requests import Request

from cu_pipeline.inference.prediction_log import read_log, read_refusals
from cu_pipeline.service.api.recording import decoder_name, is_replay


def records(service):
    service.log.flush()
    return {record.request_id: record for record in read_log(str(service.folder / "log"), replays=True).records}


def test_an_answer_says_all_that_the_models_decide_by(client):
    body = client.post(
        "/classify", json={"caption": "a goal", "clip_id": "c1"}, headers={"X-Request-Id": "mine-1"}
    ).json()
    assert body == {
        "request_id": "mine-1",
        "clip_id": "c1",
        "capabilities": {
            "safety": {
                "label": "none", "abstained": False, "probabilities": {"advert": 0.1, "violence": 0.2},
                "thresholds": {"advert": 0.35, "violence": 0.5}, "model_version": "def456def456",
            },
            "topic": {
                "label": "sport", "abstained": False, "probabilities": {"cooking": 0.25, "sport": 0.75},
                "thresholds": {}, "model_version": "abc123abc123",
            },
        },
        "timings": {"queue": 0.5, "score": 1.25},
        "service_version": "1.2.3",
    }  # fmt: skip


def test_an_answer_is_in_the_log_with_what_finds_the_clip_again(client, service):
    files = {"video": ("clip.mp4", b"content"), "caption": (None, "a goal")}
    data = {"clip_id": "c7", "creator": "mia", "lang": "en-GB"}
    answer = client.post("/classify", files=files, data=data, headers={"X-Client-Version": "ios/7 <b>"})
    record = records(service)[answer.json()["request_id"]]
    assert (record.clip_id, record.creator, record.replay, record.caption) == ("c7", "mia", False, None)
    assert len(record.media_sha256) == len(record.text_sha256) == 64
    told = {"language": "en", "client": "ios/7 b", "decoder": decoder_name()}
    assert record.facts == {"text_length": 6.0, "fps": None} | told


def test_what_the_service_refuses_is_counted_by_the_minute(client, service):
    client.post("/classify", json={"caption": "a goal", "wrong": 1})
    client.post("/classify_batch", json={"clips": [{"caption": "a goal"}, {"caption": 7}]})
    for record in service.log._refused.end():
        service.log.append(record)
    service.log.flush()
    told = read_refusals(str(service.folder / "log"))
    assert sum(one.requests for one in told) >= 2
    assert all(one.time.second == 0 for one in told)


def test_a_form_and_json_say_the_same(client, service):
    told = {"metadata": {"platform": "tube"}, "capabilities": ["topic"], "top_k": 1, "explain": True, "lang": "en"}
    form = {
        "metadata": json.dumps(told["metadata"]),
        "capabilities": "topic",
        "top_k": "1",
        "explain": "true",
        "lang": "en",
    }
    bodies = [
        client.post("/classify", json={"caption": "2024", **told}).json(),
        client.post("/classify", files={"caption": (None, "2024")}, data=form).json(),
    ]
    assert bodies[0]["capabilities"] == bodies[1]["capabilities"]
    assert list(bodies[0]["capabilities"]) == ["topic"]
    assert bodies[0]["capabilities"]["topic"]["probabilities"] == {"sport": 0.75}
    first, second = (asked for _, asked in service.engine.seen)
    assert first == second
    assert first.told == {"lang": "en", "metadata.platform": "tube"}
    assert first.explain


def test_a_capability_outside_its_scope_says_why(client):
    topic = client.post("/classify", json={"caption": "a", "feed": "texts"}).json()["capabilities"]["topic"]
    assert topic == {
        "applicable": False, "reason": "it applies to feeds: videos, not texts", "model_version": "abc123abc123"
    }  # fmt: skip


def test_a_file_input_without_a_file_is_no_video(client, service):
    body = (
        b'--b\r\nContent-Disposition: form-data; name="video"; filename=""\r\nContent-Type: video/mp4\r\n'
        b'\r\n\r\n--b\r\nContent-Disposition: form-data; name="caption"\r\n\r\na goal\r\n--b--\r\n'
    )
    answer = client.post("/classify", content=body, headers={"content-type": "multipart/form-data; boundary=b"})
    assert answer.status_code == 200, answer.text
    assert service.engine.seen[-1][0] is None


def test_files_of_requests_go_with_them(client, service):
    for content in (b"content", b"broken"):
        client.post("/classify", files={"video": ("clip.mp4", content)})
        assert service.engine.seen[-1][0] == content
    assert list((service.folder / "work").iterdir()) == []


def test_embeddings_come_with_the_widths_of_their_parts(client, service):
    answer = client.post("/embed", json={"caption": "a goal"})
    assert answer.json()["embedding"] == [0.0, 1.0, 2.0, 3.0]
    assert answer.json()["parts"] == {"frames@1a": 3, "captions@2b": 1}
    assert answer.json()["request_id"] not in records(service)


def test_the_products_own_requests_are_no_traffic(client, service):
    answer = client.post("/classify", json={"caption": "x"}, headers={"X-Cu-Pipeline-Replay": "1"})
    assert records(service)[answer.json()["request_id"]].replay


@pytest.mark.parametrize(
    ("address", "header", "replay"),
    [("127.0.0.1", "", True), ("::1", "", True), ("10.1.2.3", "", False), ("127.0.0.1", "x-forwarded-for", False)],
)
def test_only_this_machine_may_call_its_requests_no_traffic(address, header, replay):
    headers = [(b"x-cu-pipeline-replay", b"1"), *([(header.encode(), b"10.1.2.3")] if header else [])]
    assert is_replay(Request({"type": "http", "headers": headers, "client": (address, 1)})) is replay


@pytest.mark.parametrize("told", ["", "a b", "x" * 129, "é"])
def test_a_request_id_that_cannot_be_used_is_replaced(client, told):
    answer = client.post("/classify", json={"caption": "x"}, headers={"X-Request-Id": told.encode("latin-1")})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] != told


def test_batches_answer_or_refuse_each_clip_by_itself(client, service):
    clips = [
        {"caption": "a goal", "clip_id": "c1"},
        {"caption": "\u200b \u2060"},
        {"video": "b"},
        {"video": "g", "top_k": 1},
        {"top_k": 0},
    ]
    files = {"clips": (None, json.dumps(clips)), "b": ("b.mp4", b"broken"), "g": ("g.mp4", b"good")}
    body = client.post("/classify_batch", files=files, headers={"X-Request-Id": "many"}).json()
    assert [one.get("reason", "answered") for one in body["results"]] == [
        "answered", "nothing_to_classify", "not_media", "answered", "greater_than_equal"
    ]  # fmt: skip
    assert [one.get("status", 200) for one in body["results"]] == [200, 400, 422, 200, 400]
    assert {name for name in records(service) if name.startswith("many:")} == {"many:0", "many:3"}


def test_a_batch_takes_at_most_64_clips(client):
    assert client.post("/classify_batch", json={"clips": [{"caption": "a"}] * 64}).status_code == 200
    for clips in ([], [{"caption": "a"}] * 65, None, "a", [7]):
        answer = client.post("/classify_batch", json={"clips": clips})
        assert (answer.status_code, answer.json()["reason"]) == (400, "clips")


def test_capabilities_are_listed_with_their_thresholds(client):
    listed = client.get("/capabilities").json()["capabilities"]
    assert listed["safety"] == {
        "model_version": "def456def456", "family": "linear", "kind": "multi", "classes": ["advert", "violence"],
        "thresholds": {"advert": 0.35, "violence": 0.5}, "scope": {},
    }  # fmt: skip


def test_feedback_is_kept_of_answered_requests_only(client):
    name = client.post("/classify", json={"caption": "a goal"}).json()["request_id"]
    told = {"request_id": name, "capability": "safety", "label": "advert|violence", "annotator": "kim"}
    answer = client.post("/feedback", json=told)
    assert (answer.status_code, answer.json()["about"]) == (201, name)
    assert client.post("/feedback", json=told | {"request_id": "never"}).status_code == 404


@pytest.mark.parametrize(
    ("capability", "label"),
    [("topic", "advert"), ("topic", "cooking|sport"), ("topic", "none"), ("safety", "advert|advert"), ("mood", "x")],
)
def test_feedback_names_classes_of_the_capability(client, capability, label):
    name = client.post("/classify", json={"caption": "a goal"}).json()["request_id"]
    answer = client.post("/feedback", json={"request_id": name, "capability": capability, "label": label})
    assert answer.status_code == 400


def test_the_probes_and_the_description_answer(client, service):
    for path in ("/livez", "/healthz", "/readyz", "/docs", "/docs/start.js", "/docs/swagger/swagger-ui.css"):
        assert client.get(path).status_code == 200
    assert "http" not in client.get("/docs").text
    assert client.get("/docs/swagger/%00").status_code == client.get("/docs/swagger/index.html").status_code == 404
