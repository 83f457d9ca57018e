import json
from datetime import UTC, datetime

import pytest
from tests.servers.webhook import receiving

from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.iterate.alerts import AlertOptions
from cu_pipeline.iterate.announcing import announce_end, announce_error, announce_waiting
from cu_pipeline.iterate.ledger import IterationLine
from cu_pipeline.iterate.state import Iteration, Status, StepName


@pytest.fixture
def posted(tmp_path, monkeypatch):
    """Give a function that tells the alerts that came in, and options that send them there."""
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    with receiving() as receiver:
        yield (
            lambda: [json.loads(body)["alert"] for body in receiver.bodies],
            AlertOptions(webhooks=[{"url": receiver.url}]),
        )


def line(outcome: str) -> IterationLine:
    effect = {"topic": {"effect": 0.05, "serves": "new"}}
    moment = datetime.now(UTC).isoformat()
    return IterationLine(4, moment, moment, "retrain", outcome, "why", {"in_words": "neon"}, effect=effect)


def test_people_are_told_once_what_an_iteration_waits_for(posted) -> None:
    found, options = posted
    waiting = Iteration(4, "t", status=Status.WAITING, reason="9 clips wait", upcoming=StepName.WAIT_FOR_PEOPLE)
    for _ in range(3):
        announce_waiting(waiting, "", options)
    (alert,) = found()
    assert (alert["event"], alert["title"]) == ("waiting", "Iteration 4 waits: 9 clips wait")


@pytest.mark.parametrize("outcome", ["promoted", "kept", "failed", "vetoed", "labelled", "audited"])
def test_people_are_told_how_it_ended(posted, outcome: str) -> None:
    found, options = posted
    announce_end(line(outcome), options)
    (alert,) = found()
    assert alert["event"] == outcome
    assert alert["facts"]["gain of topic"] == "+5.0 points, serves new"


@pytest.mark.parametrize("outcome", ["nothing", "alerted"])
def test_where_nothing_was_done_the_drift_alone_is_told(posted, outcome: str) -> None:
    found, options = posted
    announce_end(line(outcome), options)
    assert found() == []


def test_the_same_error_is_told_once_and_another_one_again(posted) -> None:
    found, options = posted
    current = Iteration(4, "t", upcoming=StepName.TRAIN)
    for error in (StoreError("the disk is full"), StoreError("the disk is full"), StoreError("the lock is taken")):
        announce_error(current, error, options)
    assert [alert["title"] for alert in found()] == [
        "Iteration 4 stopped: the disk is full",
        "Iteration 4 stopped: the lock is taken",
    ]
