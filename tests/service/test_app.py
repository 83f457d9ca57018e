"""The service's answers, with a stand-in for the models: BentoML's own application, no network."""

import json
import shutil
from dataclasses import replace

import pytest

from cu_pipeline.core.scope import Scope
from cu_pipeline.inference.prediction_log import read_log


@pytest.fixture
def log(application):
    shutil.rmtree(application[1], ignore_errors=True)
    return application[1]


def classify(client, caption=None, video=None):
    files = {}
    if caption is not None:
        files["caption"] = (None, caption)
    if video is not None:
        files["video"] = video
    return client.post("/classify", files=files)


def test_a_video_and_a_caption_are_classified(client, predictor, log):
    response = classify(client, "a goal", ("clip.mp4", b"frames"))
    assert response.status_code == 200
    body = response.json()
    assert body["capabilities"] == {
        "topic": {
            "label": "sport",
            "probabilities": {"cooking": 0.25, "sport": 0.75},
            "model_version": "abc123abc123",
            "prediction_set": None,
        }
    }
    assert predictor.seen == [(b"frames", "a goal")]
    (record,) = read_log(log).records
    assert record.request_id == body["request_id"]


def test_text_alone_and_video_alone_are_enough(client, predictor):
    assert classify(client, caption="a goal").status_code == 200
    assert classify(client, video=("clip.mp4", b"frames")).status_code == 200
    assert client.post("/classify", json={"caption": "in JSON"}).status_code == 200
    assert predictor.seen == [(None, "a goal"), (b"frames", ""), (None, "in JSON")]


@pytest.mark.parametrize(
    "caption", ["2024", "null", "true", '"quoted"', '{"a": 1}', "[]", "héllo 🎉", "https://example.com"]
)
def test_a_caption_is_text_whatever_it_looks_like(client, predictor, caption):
    assert classify(client, caption).status_code == 200
    assert predictor.seen == [(None, caption)]


def test_nothing_to_classify_is_a_clear_error(client, predictor):
    for response in (classify(client, "  "), client.post("/classify", json={}), client.post("/classify")):
        assert response.status_code == 400
        assert "send `video`, `caption` or both" in response.text
    assert predictor.seen == []


@pytest.mark.parametrize(
    "caption",
    [
        "\u200b\ufeff",
        "&nbsp;",
        "&amp;nbsp; \u00a0",
        "\x00",
        "&#0;&#8203;",
        "\u3164 \u115f",
        "\u2060\u00ad",
        "\u202e\u200f",
    ],
)
def test_a_caption_of_which_nothing_is_seen_is_none(client, predictor, caption):
    for response in (classify(client, caption), client.post("/classify", json={"caption": caption})):
        assert response.status_code == 400
        assert "send `video`, `caption` or both" in response.text
    assert predictor.seen == []
    assert classify(client, caption, ("clip.mp4", b"frames")).status_code == 200


@pytest.mark.parametrize("body", ['{"caption": "\\ud800"}', '{"caption": "a", "\\u0000": 1}', '{"caption": ["a"]}'])
def test_odd_json_is_refused_in_words(client, predictor, body):
    response = client.post("/classify", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert predictor.seen == []


def test_a_nul_in_an_uploads_name_does_no_harm(client, predictor):
    assert classify(client, "a", ("clip\x00.m\x00p4", b"frames")).status_code == 200
    assert predictor.seen == [(b"frames", "a")]


@pytest.mark.parametrize("place", ["http://127.0.0.1:9/clip.mp4", "https://example.com/clip.mp4", "/etc/passwd"])
def test_a_url_in_the_files_place_is_never_fetched(client, predictor, monkeypatch, place):
    import httpx

    def fetched(*_, **__):
        raise AssertionError("the service opened a connection")

    monkeypatch.setattr(httpx.AsyncClient, "get", fetched)
    as_form = client.post("/classify", files={"video": (None, place)})
    as_json = client.post("/classify", json={"video": place})
    for response in (as_form, as_json):
        assert response.status_code == 400
        assert "not_a_file" in response.text
    assert predictor.seen == []


def test_a_refused_clip_has_its_reason(client, log):
    response = classify(client, "x", ("clip.mp4", b"broken"))
    refusal = response.json()
    assert (response.status_code, refusal["error"], refusal["reason"]) == (422, "not a media file", "not_media")
    assert read_log(log).records == []


def test_a_foreign_content_type_is_refused(client, predictor):
    headers = {"content-type": "application/vnd.bentoml+pickle"}
    assert client.post("/classify", content=b"cos\nsystem\n", headers=headers).status_code == 415
    assert predictor.seen == []


def test_a_large_body_is_refused(client, predictor, monkeypatch):
    monkeypatch.setenv("CU_PIPELINE_MAX_BODY_BYTES", "100000")
    assert classify(client, video=("clip.mp4", b"x" * 200_000)).status_code == 413

    def chunks():
        yield from [b"x" * 10_000] * 20

    headers = {"content-type": "application/json"}
    assert client.post("/classify", content=chunks(), headers=headers).status_code == 413
    assert predictor.seen == []


@pytest.mark.parametrize(
    "request_",
    [
        {"content": b"{", "headers": {"content-type": "application/json"}},
        {"content": b"[1]", "headers": {"content-type": "application/json"}},
        {"content": b"\xff\xfe", "headers": {"content-type": "application/json"}},
        {"content": b"junk", "headers": {"content-type": "multipart/form-data"}},
        {"content": b"junk", "headers": {"content-type": "multipart/form-data; boundary=x"}},
        {"json": {"caption": 3}},
        {"json": {"caption": "x" * 20_001}},
        {"json": {"caption": "x", "captoin": "y"}},
        {"files": {"caption": ("c.txt", b"text")}},
        {"files": [("video", ("a.mp4", b"1")), ("video", ("b.mp4", b"2"))]},
    ],
)
def test_malformed_requests_are_the_clients_fault(client, predictor, request_):
    response = client.post("/classify", **request_)
    assert response.status_code == 400, response.text
    assert predictor.seen == []


@pytest.mark.parametrize("name", ["../../x.mp4", "a" * 1000 + ".mp4", "..", "x.m\x00p4", ".mp4/", "名前.мп4"])
def test_odd_file_names_do_no_harm(client, predictor, name):
    body = (
        b'--b\r\nContent-Disposition: form-data; name="video"; filename="' + name.encode() + b'"\r\n'
        b"Content-Type: video/mp4\r\n\r\nframes\r\n--b--\r\n"
    )
    response = client.post("/classify", content=body, headers={"content-type": "multipart/form-data; boundary=b"})
    assert response.status_code == 200, response.text
    assert predictor.seen == [(b"frames", "")]


def test_uploads_are_removed_after_the_answer(client, predictor, monkeypatch):
    kept = []
    answer = predictor.predict
    monkeypatch.setattr(predictor, "predict", lambda media, *rest: (kept.append(media), answer(media, *rest))[1])
    assert classify(client, video=("clip.mp4", b"frames")).status_code == 200
    assert kept
    assert not kept[0].exists()


def test_captions_stay_out_of_the_servers_log(client, predictor, caplog):
    caplog.set_level("DEBUG")
    assert classify(client, "a secret " * 9_000).status_code == 400
    assert client.post("/classify", json={"caption": "a secret", "other": "a secret"}).status_code == 400
    assert classify(client, "a secret").status_code == 200
    assert caplog.text
    assert "secret" not in caplog.text


def test_models_are_listed(client):
    body = client.post("/models").json()
    assert body["capabilities"] == {
        "topic": {"model_version": "abc123abc123", "kind": "single", "classes": ["cooking", "sport"], "scope": {}}
    }


def test_models_are_listed_with_what_they_apply_to(client, predictor, monkeypatch):
    scope = Scope(feeds="./texts.csv", modalities="text", metadata={"platform": ["tube", ""]})
    monkeypatch.setitem(predictor.bundles, "hate", replace(predictor.bundles["topic"], scope=scope))
    models = client.post("/models").json()["capabilities"]
    assert {name: model["scope"] for name, model in models.items()} == {
        "topic": {},
        "hate": {"feeds": ["texts.csv"], "modalities": ["text"], "metadata": {"platform": ["tube", ""]}},
    }


def test_health_is_answered(client):
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 200


def test_the_documentation_describes_the_form(client):
    paths = json.loads(client.get("/docs.json").text)["paths"]
    form = paths["/classify"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert (form["video"]["type"], form["video"]["format"]) == ("string", "binary")
    assert form["caption"]["type"] == "string"


def test_what_does_not_apply_is_not_answered_and_not_counted(client, log):
    body = client.post("/classify", json={"caption": "a text", "feed": "texts"}).json()
    assert body["capabilities"] == {
        "topic": {
            "label": None,
            "applicable": False,
            "reason": "it applies to feeds: videos, not texts",
            "model_version": "abc123abc123",
        }
    }
    (record,) = read_log(log, versions={"topic": "abc123abc123"}).records
    assert (record.labels, record.probabilities) == ({}, {})


def test_a_request_tells_what_scopes_may_ask_in_a_form_and_in_json(client, predictor):
    wanted = {"feed": "clips.csv", "lang": "de-at", "metadata.platform": "tube", "metadata.year": "2026"}
    metadata = {"platform": "tube", "year": 2026}
    client.post("/classify", json={"caption": "x", "feed": "clips.csv", "lang": "de_AT", "metadata": metadata})
    assert predictor.told == wanted
    fields = {"caption": "x", "feed": "clips.csv", "lang": "de-AT", "metadata": json.dumps(metadata)}
    client.post("/classify", files={name: (None, value) for name, value in fields.items()})
    assert predictor.told == wanted
    client.post("/classify", json={"caption": "x"})
    assert predictor.told == {}


@pytest.mark.parametrize(
    ("field", "words"),
    [({"lang": "English"}, "no BCP 47 tag"), ({"metadata": "a=b"}, "JSON object"), ({"metadata": "[1]"}, "dictionary")],
)
def test_what_is_told_in_no_usable_form_is_a_clear_error(client, predictor, field, words):
    response = client.post(
        "/classify", files={name: (None, value) for name, value in ({"caption": "x"} | field).items()}
    )
    assert response.status_code == 400
    assert words in response.text
    assert predictor.seen == []
