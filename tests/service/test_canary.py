"""A canary from end to end in one process: requests, feedback, the service's decisions. The models are constants."""

import json
import time
from datetime import UTC, datetime

import numpy as np
import pytest
from starlette.testclient import TestClient

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.json_lines import append_lines, read_lines
from cu_pipeline.inference.prediction_log import LogOptions, PredictionLog
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.models.bundle_folder import replace_bundle
from cu_pipeline.rollout import plan, trials
from cu_pipeline.rollout.plan import Limits, Rollout, place_of
from cu_pipeline.service.api.application import application
from cu_pipeline.service.api.running import Running
from cu_pipeline.service.engine import live_predictor
from cu_pipeline.service.engine.engine import Engine
from cu_pipeline.service.engine.options import EngineOptions, EngineSettings
from cu_pipeline.service.environment import Settings
from cu_pipeline.service.metrics import Metrics
from cu_pipeline.service.rollouts import Rollouts
from cu_pipeline.service.security.settings import SecuritySettings
from cu_pipeline.service.workspace import Workspace
from cu_pipeline.tracking.promotions import Promotion

MOST = 400


def model(level):
    weights = {"level": np.array([level, 0.0], dtype=np.float32)}
    return Bundle("topic", Kind.SINGLE, ("cooking", "sport"), "majority", {}, weights, {})


@pytest.fixture
def service(tmp_path, monkeypatch):
    """The application with its engine, its log and its judge, which look ten times a second."""
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    monkeypatch.setattr(live_predictor, "POLL_S", 0.1)
    (tmp_path / "champions").mkdir()
    (tmp_path / "work").mkdir()
    replace_bundle(tmp_path / "champions" / "topic", model(2.0))
    first = Promotion.now("topic", (None, model(2.0).version), "gate", "the first")
    append_lines(tmp_path / "promotions.jsonl", [json.dumps(first.as_json())])
    log = PredictionLog.open(str(tmp_path / "log"), LogOptions(flush_s=0.1))
    metrics = Metrics(tmp_path / "metrics", "1")
    rollouts = Rollouts.start(tmp_path / "rollouts", tmp_path / "champions", str(tmp_path / "log"), 0.1, 0.1)
    engine = Engine.start(EngineSettings(tmp_path / "champions", 1, EngineOptions()), metrics, rollouts)
    told = Settings(security=SecuritySettings(keys=tmp_path / "keys.json"))
    running = Running(told, engine, log, metrics, Workspace(tmp_path / "work"), "1")
    with TestClient(application(running), base_url="http://localhost", client=("127.0.0.1", 1)) as client:
        yield client
        client.portal.call(engine.close, 5.0)
    rollouts.close()
    log.close()
    metrics.close()


def start(root, challenger, champion):
    versions = {"challenger": challenger.version, "champion": champion.version}
    told = {"mode": "canary", "percent": 30, "started": datetime.now(UTC), "by": "ann"}
    begun = Rollout(capability="topic", **versions, **told, limits=Limits(disagreement=0.99))
    trials.start(root / "rollouts", begun, challenger)
    return place_of(root / "rollouts", "topic")


def traffic(client, place, truth):
    """Ask as ever new creators, and say the truth, until the rollout has ended; give who answered how often."""
    answered = {"champion": 0, "challenger": 0}
    for number in range(MOST):
        told = {"caption": "a clip", "creator": f"creator {number}"}
        answer = client.post("/classify", json=told).json()
        answered[answer["capabilities"]["topic"].get("role", "champion")] += 1
        said = {"request_id": answer["request_id"], "capability": "topic", "label": truth}
        assert client.post("/feedback", json=said).status_code == 201
        if number % 10 == 9:
            time.sleep(0.05)
            if not plan.read(place).is_running:
                return answered
    raise AssertionError(f"it still runs: {(place / trials.EVIDENCE).read_text()}")


def everybody_gets(client, bundle):
    """Whether within 5 s all creators get the answers of one model."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        asked = [{"caption": "a clip", "creator": f"creator {number}"} for number in range(12)]
        answers = [client.post("/classify", json=one).json()["capabilities"]["topic"] for one in asked]
        if {one["model_version"] for one in answers} == {bundle.version}:
            return True
        time.sleep(0.05)
    return False


def test_a_bad_challenger_goes_by_itself_and_a_better_one_takes_its_place(service, tmp_path):
    champion, challenger = model(2.0), model(-2.0)
    answered = traffic(service, start(tmp_path, challenger, champion), "cooking")
    ended = plan.read(place_of(tmp_path / "rollouts", "topic"))
    assert ended.status == "rolled_back"
    assert ended.reason.startswith("the challenger is worse")
    assert answered["champion"] > answered["challenger"] > 0
    assert everybody_gets(service, champion)

    traffic(service, start(tmp_path, challenger, champion), "sport")
    ended = plan.read(place_of(tmp_path / "rollouts", "topic"))
    assert ended.status == "promoted"
    assert everybody_gets(service, challenger)
    ledger = [json.loads(line) for line in read_lines(tmp_path / "promotions.jsonl")]
    assert [entry["to_bundle"] for entry in ledger] == [champion.version, champion.version, challenger.version]
