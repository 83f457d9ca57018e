"""When the service is started and what stops a delivery; with stand-ins for the server and its answers."""

import json
from contextlib import contextmanager
from types import SimpleNamespace

import pandas as pd
import pytest
from tests.inference.prediction_log.made import record

from cu_pipeline.core import counters
from cu_pipeline.core.errors import DeliveryError
from cu_pipeline.core.records import CLIPS, PREDICTIONS
from cu_pipeline.core.scope import Scope
from cu_pipeline.inference.prediction_log import PredictionLog
from cu_pipeline.pipelines.deliver import verification as module
from cu_pipeline.pipelines.deliver.bento import Bento
from cu_pipeline.pipelines.deliver.running_service import RunningService
from cu_pipeline.pipelines.deliver.verification import DeliverOptions, verify

CHAMPIONS = {"topic": SimpleNamespace(version="t1", scope=Scope())}
OPTIONS = DeliverOptions(replay_clips=4)


def clips(count=8):
    rows = [
        {"clip_id": f"c{number}", "split": "test", "path": "", "text": "x", "media_sha256": "", "text_sha256": "h"}
        for number in range(count)
    ]
    return pd.DataFrame(rows, columns=list(CLIPS), dtype="object")


def predictions():
    rows = [
        {"clip_id": clip, "capability": "topic", "probabilities": json.dumps({"a": 0.5}), "model_version": "t1"}
        for clip in clips()["clip_id"]
    ]
    return pd.DataFrame(rows, columns=list(PREDICTIONS), dtype="object")


@pytest.fixture
def service(monkeypatch, tmp_path):
    """Give what the stand-in answers; it counts its starts and writes a log as the service does."""
    state = SimpleNamespace(starts=0, probability=0.5, refused=set())

    @contextmanager
    def serving(bento, *, prediction_log, output, timeout_s):
        state.starts += 1
        log = PredictionLog.open(str(prediction_log))
        log.append(record())
        log.close()
        yield RunningService("http://127.0.0.1:9", 1.0)

    def classify_all(client, sent, at_once, description, told):
        counters.count("service_requests", len(sent))
        answer = {"capabilities": {"topic": {"probabilities": {"a": state.probability}, "model_version": "t1"}}}
        return {clip: None if clip in state.refused else answer for clip in sent["clip_id"]}

    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    monkeypatch.setattr(module, "serving", serving)
    monkeypatch.setattr(module, "classify_all", classify_all)
    counters.reset()
    return state


@pytest.fixture
def bento(tmp_path):
    return Bento("small", "v1", tmp_path / "store")


def test_an_unchanged_delivery_is_checked_once(service, bento):
    first = verify(bento, CHAMPIONS, clips(), predictions(), OPTIONS)
    assert counters.counts()["service_requests"] == 7
    counters.reset()
    assert verify(bento, CHAMPIONS, clips(), predictions(), OPTIONS) == first
    assert (service.starts, counters.counts()["service_requests"]) == (1, 0)


def test_another_bento_other_clips_or_a_removed_log_are_checked_again(service, bento, tmp_path):
    verify(bento, CHAMPIONS, clips(), predictions(), OPTIONS)
    verify(Bento("small", "v2", bento.store), CHAMPIONS, clips(), predictions(), OPTIONS)
    assert service.starts == 2
    verify(bento, CHAMPIONS, clips(6), predictions(), OPTIONS)
    assert service.starts == 3
    (tmp_path / OPTIONS.prediction_log / "predictions.db").unlink()
    verify(bento, CHAMPIONS, clips(), predictions(), OPTIONS)
    assert service.starts == 4


def test_an_answer_that_differs_stops_the_delivery_and_is_not_remembered_as_checked(service, bento):
    service.probability = 0.5002
    for _ in range(2):
        with pytest.raises(DeliveryError, match=r"differs by 0\.0002"):
            verify(bento, CHAMPIONS, clips(), predictions(), OPTIONS)
    assert service.starts == 2


def test_a_compared_clip_that_is_refused_stops_the_delivery(service, bento):
    service.refused = set(clips()["clip_id"])
    with pytest.raises(DeliveryError, match="refuses clips"):
        verify(bento, CHAMPIONS, clips(), predictions(), OPTIONS)


def test_replayed_clips_that_are_refused_are_counted(service, bento):
    _, replayed = module.choose(clips(), predictions(), 3, 4)
    service.refused = {replayed["clip_id"].iloc[0]}
    report = verify(bento, CHAMPIONS, clips(), predictions(), OPTIONS)
    assert report["service"]["refused"] == 1
    assert report["parity"] == {"clips": 3, "max_abs_diff": 0.0, "tolerance": 1e-4}
