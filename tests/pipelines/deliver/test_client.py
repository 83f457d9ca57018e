"""What the product's own client makes of a service's answers."""

import httpx
import pandas as pd
import pytest

from cu_pipeline.core.errors import DeliveryError
from cu_pipeline.pipelines.deliver import client as module
from cu_pipeline.pipelines.deliver.client import classify, send_sample
from cu_pipeline.sample.options import SampleOptions

ANSWER = {"capabilities": {}}


def asking(*answers):
    """Give a client whose requests get these answers, and the list of what is left of them."""
    left = list(answers)
    return httpx.Client(base_url="http://service", transport=httpx.MockTransport(lambda _: left.pop(0))), left


def test_a_busy_service_is_asked_again_when_it_says(monkeypatch):
    waits = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    busy = [httpx.Response(429, headers={"retry-after": "2"}), httpx.Response(503, headers={"retry-after": "900"})]
    client, left = asking(*busy, httpx.Response(200, json=ANSWER))
    assert classify(client, "", "a goal") == ANSWER
    assert (waits, left) == ([2.0, 5.0], [])


def test_a_service_that_stays_busy_has_failed(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0)
    client, _ = asking(httpx.Response(503, text="busy"))
    with pytest.raises(DeliveryError, match="503"):
        classify(client, "", "a goal")


def test_a_refused_clip_has_no_answer():
    client, _ = asking(httpx.Response(422, json={"reason": "empty"}))
    assert classify(client, "", "a goal") is None


@pytest.mark.parametrize("key", ["cup_key", ""])
def test_generated_clips_are_sent_with_the_key_of_the_environment(tmp_path, monkeypatch, key):
    sent = []

    def answered(request):
        sent.append(request.headers.get("x-api-key", ""))
        return httpx.Response(200, json=ANSWER)

    def generated(folder, options, mapper):
        pd.DataFrame({"clip_id": ["a"], "path": ["a.mp4"], "text": ["a goal"]}).to_csv(folder / "manifest.csv")
        (folder / "a.mp4").write_bytes(b"clip")
        return folder / "manifest.csv"

    client = httpx.Client
    monkeypatch.setenv("CU_PIPELINE_KEY", key)
    monkeypatch.setattr(module, "generate", generated)
    monkeypatch.setattr(httpx, "Client", lambda **given: client(transport=httpx.MockTransport(answered), **given))
    assert send_sample(tmp_path, SampleOptions(), "http://service") == (1, 0)
    assert sent == [key, key]
