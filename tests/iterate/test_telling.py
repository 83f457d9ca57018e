import json
from collections.abc import Iterator

import pytest
from tests.drift_files import cause_told, drift_told, one_test
from tests.servers.webhook import Receiver, receiving

from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.iterate.alerts import AlertOptions, WebhookOptions
from cu_pipeline.iterate.runner import Ended, iterate
from cu_pipeline.iterate.state import Status, StepName
from cu_pipeline.iterate.telling import tell_of_error, tell_people
from cu_pipeline.iterate.work import DRIFT, Outcome


@pytest.fixture
def told(monkeypatch, tmp_path) -> Iterator[tuple[AlertOptions, Receiver]]:
    """Give options with a webhook of this machine, and what receives."""
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    with receiving() as receiver:
        hook = WebhookOptions(name="hook", url=receiver.url)
        yield AlertOptions(webhooks=(hook,), ledger=str(tmp_path / "alerts.jsonl")), receiver


def alerts(receiver: Receiver) -> list[dict]:
    return [json.loads(body)["alert"] for body in receiver.bodies]


def test_drift_and_the_promotion_that_followed_are_told_once(project, steps, told):
    options, receiver = told
    place = project.root / DRIFT
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(
        json.dumps(drift_told("drift", tests=[one_test("embedding_frames", drifted=True)], causes=[cause_told()]))
    )
    report = iterate(project, "", lambda _: None)
    for _ in range(2):
        tell_people(project, options, report)
    assert [one["event"] for one in alerts(receiver)] == ["drift", "promoted"]
    assert alerts(receiver)[1]["id"] == "iteration-1/promoted"
    assert "topic: promote, version new serves" in alerts(receiver)[1]["lines"]


def test_an_iteration_that_does_nothing_tells_nothing(project, steps, told):
    options, receiver = told
    steps[StepName.DECIDE] = lambda work: Outcome({"action": "nothing", "reason": "no drift"}, upcoming=StepName.SETTLE)
    assert tell_people(project, options, iterate(project, "", lambda _: None)) == []
    assert receiver.bodies == []


def test_waiting_and_approval_are_told(project, steps, told):
    options, receiver = told
    steps[StepName.WAIT_FOR_PEOPLE] = lambda work: Outcome(told="for 3 answers", waits=Status.WAITING)
    report = iterate(project, "", lambda _: None)
    assert report.ended is Ended.WAITING
    tell_people(project, options, report)
    steps[StepName.WAIT_FOR_PEOPLE] = lambda work: Outcome({"answered": 3})
    steps[StepName.APPROVE] = lambda work: Outcome(told="for a person's word", waits=Status.APPROVAL)
    tell_people(project, options, iterate(project, "", lambda _: None))
    assert [(one["event"], one["title"]) for one in alerts(receiver)] == [
        ("waiting", "Iteration 1 waits: for 3 answers"),
        ("approval", "Iteration 1 waits: for a person's word"),
    ]


def test_the_same_error_is_told_once_and_another_one_again(project, steps, told):
    options, receiver = told

    def failing(work):
        raise StoreError("the disk is full")

    steps[StepName.TRAIN] = failing
    for _ in range(2):
        with pytest.raises(StoreError) as stopped:
            iterate(project, "", lambda _: None)
        tell_of_error(project, options, stopped.value)
    tell_of_error(project, options, StoreError("another one"))
    assert [one["title"] for one in alerts(receiver)] == [
        "Iteration 1 stopped: the disk is full",
        "Iteration 1 stopped: another one",
    ]
