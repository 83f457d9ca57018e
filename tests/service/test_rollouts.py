"""The service follows rollouts and judges them by a real prediction log; the models are constants."""

import json
import logging
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.json_lines import append_lines, read_lines
from cu_pipeline.inference.prediction_log import FeedbackRecord, PredictionLog, PredictionRecord, ShadowRecord
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.models.bundle_folder import replace_bundle
from cu_pipeline.rollout import plan, trials
from cu_pipeline.rollout.betting import Tally
from cu_pipeline.rollout.plan import Limits, Rollout, place_of, sticky_key
from cu_pipeline.service import rollout_judge
from cu_pipeline.service.rollout_judge import Judge
from cu_pipeline.service.rollouts import Rollouts
from cu_pipeline.tracking.promotions import Promotion
from cu_pipeline.tracking.run_lock import RunLock

START = datetime.now(UTC) - timedelta(hours=1)


def model(level):
    weights = {"level": np.array([level, 0.0], dtype=np.float32)}
    return Bundle("topic", Kind.SINGLE, ("cooking", "sport"), "majority", {}, weights, {})


class Served:
    """A project whose champion says cooking, a challenger that says sport, and the log of what both said."""

    def __init__(self, root):
        self.root, self.folder, self.champions = root, root / "rollouts", root / "champions"
        self.old, self.new = model(2.0), model(-2.0)
        replace_bundle(self._made(self.champions) / "topic", self.old)
        first = Promotion.now("topic", (None, self.old.version), "gate", "the first")
        append_lines(root / "promotions.jsonl", [json.dumps(first.as_json())])
        self.log = PredictionLog.open(str(root / "log"))
        self.judge = Judge(self.folder, self.champions, str(root / "log"))
        self.asked = 0

    def _made(self, folder):
        folder.mkdir()
        return folder

    def start(self, **fields):
        told = {"challenger": self.new.version, "champion": self.old.version, "started": START, "by": "ann"}
        told |= {"limits": Limits(disagreement=0.99), **fields}
        begun = Rollout(capability="topic", **told)
        trials.start(self.folder, begun, self.new)
        return begun

    def traffic(self, requests, truth="sport", *, role="champion", ms=1.0, error=None, **changed):
        """Let creators ask; both models answer, and somebody says the truth."""
        for _ in range(requests):
            self.asked += 1
            both = [(self.old.version, "cooking"), (self.new.version, "sport")]
            (version, label), (other, other_label) = both if role == "champion" else both[::-1]
            now = START + timedelta(seconds=self.asked)
            name = f"request {self.asked}"
            told = {"labels": {"topic": label}, "versions": {"topic": version}, "probabilities": {"topic": {}}}
            told |= {"creator": f"creator {self.asked}", "timings": {"encode": 1.0, "score": 1.0, "queue": 90.0}}
            self.log.append(
                PredictionRecord(time=now, request_id=name, facts={}, embedding=b"", **told | changed)
            )  # fmt: skip
            shadow = {"label": "" if error else other_label, "version": other, "ms": ms, "error": error}
            self.log.append(
                ShadowRecord(time=now, request_id=name, capability="topic", probabilities={}, **shadow)
            )  # fmt: skip
            if truth:
                later = now + timedelta(seconds=1)
                self.log.append(FeedbackRecord(time=later, request_id=name, capability="topic", label=truth))

    @property
    def state(self):
        return plan.read(place_of(self.folder, "topic"))

    @property
    def evidence(self):
        return trials.read_evidence(self.folder, "topic")

    @property
    def served(self):
        return Bundle.load(self.champions / "topic").version

    @property
    def ledger(self):
        return [Promotion.from_json(json.loads(line)) for line in read_lines(self.root / "promotions.jsonl")]


@pytest.fixture
def served(tmp_path, monkeypatch):
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    made = Served(tmp_path)
    yield made
    made.judge.close()
    made.log.close()


@pytest.mark.parametrize("role", ["champion", "challenger"])
def test_a_better_challenger_is_promoted_whoever_answered(served, role):
    served.start()
    served.traffic(20, role=role)
    served.judge.look()
    assert served.state.is_running  # too few creators as yet
    assert served.evidence.quality == Tally(up=20)
    served.traffic(20, role=role)
    served.judge.look()
    assert served.state.status == "promoted"
    assert served.served == served.new.version
    assert (served.ledger[-1].cause, served.ledger[-1].after) == ("rollout", served.new.version)


def test_a_worse_one_is_rolled_back_and_named_in_the_ledger(served):
    served.start()
    served.traffic(40, truth="cooking")
    served.judge.look()
    assert served.state.status == "rolled_back"
    assert "the champion alone for 40" in served.state.reason
    assert served.served == served.old.version
    assert served.ledger[-1].refused == served.new.version


def test_a_creator_who_asks_often_counts_once(served):
    served.start()
    served.traffic(60, creator="ann")
    served.traffic(5)
    served.judge.look()
    assert served.evidence.quality == Tally(up=6)
    assert (served.evidence.requests, served.evidence.feedback) == (65, 65)


def test_without_creators_clips_count_by_their_content(served):
    served.start()
    for content in ("a", "a", "b"):
        served.traffic(1, creator="", media_sha256=content)
    served.traffic(2, creator="")  # nothing is known of these
    served.judge.look()
    assert served.evidence.quality.n == 4


def test_failures_and_slowness_are_seen(served):
    served.start()
    served.traffic(8, truth="", error="ZeroDivisionError: 0")
    served.judge.look()
    assert served.state.status == "rolled_back"
    assert served.state.reason.startswith("it fails too often: alone in 8 of 8")
    served.start(started=START + timedelta(seconds=served.asked, milliseconds=1))
    served.traffic(40, truth="", ms=30.0)
    served.judge.look()
    assert served.state.reason.startswith("it is too slow")


def test_the_products_own_clips_and_other_models_are_no_evidence(served):
    served.start()
    served.traffic(10, replay=True)
    served.traffic(10, versions={"topic": "of another time"})
    served.traffic(1)
    served.judge.look()
    assert served.evidence.requests == 1


def test_the_log_is_read_on_from_where_it_was(served, monkeypatch):
    asked = []
    scan = rollout_judge.scan_log
    monkeypatch.setattr(rollout_judge, "scan_log", lambda place, since: asked.append(since) or scan(place, since=since))
    begun = served.start(limits=Limits(units=5000, disagreement=0.99))
    for _ in range(3):
        served.traffic(150, truth="")
        served.judge.look()
    looks = [START + timedelta(seconds=seconds) - rollout_judge.OVERLAP for seconds in (150, 300)]
    assert asked == [begun.started, *looks]
    assert served.evidence.requests == 450
    fresh = Judge(served.folder, served.champions, str(served.root / "log"))
    served.judge.close()
    fresh.look()
    assert served.evidence.requests == 450  # the next judge finds the same from the beginning
    fresh.close()


def test_of_two_processes_one_judges_until_it_ends(served):
    other = Judge(served.folder, served.champions, str(served.root / "log"))
    served.start()
    served.judge.look()
    served.traffic(40)
    other.look()
    assert served.state.is_running
    served.judge.close()
    other.look()
    assert served.state.status == "promoted"
    other.close()


def test_while_a_run_goes_on_the_decision_waits_and_is_told_once(served, caplog):
    caplog.set_level(logging.INFO, "bentoml.cu_pipeline")
    served.start()
    served.traffic(40)
    lock = RunLock(served.root)
    lock.acquire()
    served.judge.look()
    served.judge.look()
    lock.release()
    assert served.state.is_running
    assert sum("is decided, and waits" in line for line in caplog.messages) == 1
    served.judge.look()
    assert served.state.status == "promoted"


def test_a_champion_that_was_replaced_ends_the_rollout(served):
    served.start()
    replace_bundle(served.champions / "topic", model(5.0))
    served.judge.look()
    assert served.state.status == "stopped"
    assert served.state.reason == f"its champion {served.old.version} was replaced by {model(5.0).version}"


def test_the_router_follows_the_folder(served, caplog):
    caplog.set_level(logging.INFO, "bentoml.cu_pipeline")
    router = Rollouts(served.folder, served.judge)
    router.look()
    assert (router.challengers(), router.role("topic", "ann"), router.shadowed("topic")) == ({}, "champion", False)
    served.start(mode="canary", percent=100)
    router.look()
    place = place_of(served.folder, "topic")
    assert router.challengers() == {"topic": place}
    assert router.role("topic", sticky_key("ann", "")) == "challenger"
    assert (router.role("safety", "ann"), router.shadowed("safety"), router.shadowed("topic")) == (
        "champion",
        False,
        True,
    )
    text = (place / plan.PLAN).read_text()
    (place / plan.PLAN).write_text("{")
    router.look()
    router.look()
    assert router.role("topic", "ann") == "challenger"
    assert sum("rollouts stay as they were" in line for line in caplog.messages) == 1
    (place / plan.PLAN).write_text(text)
    with trials.changing(served.folder):
        trials.finish(served.folder, served.state, "stopped", "enough", START)
    router.look()
    assert (router.challengers(), router.role("topic", "ann"), router.shadowed("topic")) == ({}, "champion", False)
    assert "topic: no rollout any more" in caplog.messages
