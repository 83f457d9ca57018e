import json
import os
import re
import signal
from pathlib import Path

import pytest
from tests.iterate.conftest import auditing

from cu_pipeline.core.errors import RunInProgressError, StoreError, StudioAwayError, StudioError
from cu_pipeline.iterate import runner
from cu_pipeline.iterate.history_page import PAGE
from cu_pipeline.iterate.options import GuardOptions, IterateOptions
from cu_pipeline.iterate.runner import Ended, iterate, locked
from cu_pipeline.iterate.state import Status, StepName
from cu_pipeline.iterate.verdicts import Word
from cu_pipeline.iterate.work import Outcome
from cu_pipeline.tracking.promotions import Promotion, taken_back

MOMENTS = re.compile(r'"(started|ended|time)": "[^"]*"')
SECONDS = re.compile(r'"(seconds)": \{[^}]*\}|"(seconds|iteration/seconds)": [0-9.]+|"tries": \d+')


def said(project, trigger: str = "") -> tuple[runner.Report, list[str]]:
    lines: list[str] = []
    return iterate(project, trigger, lines.append), lines


def left(root: Path) -> dict[str, str]:
    """All that an iteration left, without times and counts of tries."""
    return {
        path.relative_to(root).as_posix(): SECONDS.sub("", MOMENTS.sub("", path.read_text()))
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.endswith((".lock", PAGE.name))
    } | {PAGE.name: str((root / PAGE).read_text().count("<tr>"))}


def test_an_iteration_goes_from_drift_to_a_new_champion_and_into_the_ledger(project, steps) -> None:
    report, lines = said(project)
    assert (report.ended, report.told) == (Ended.DONE, "promoted: topic (at once)")
    assert [line for line in lines if line.startswith("iteration")] == [
        f"iteration 1, {name.value.replace('_', ' ')}"
        for name in StepName
        if name not in {StepName.AUDIT, StepName.ROLLOUT}
    ]
    (line,) = project.ledger.records()
    assert line.cause["kind"] == "new_style"
    assert line.cost == {"committed_usd": 0.24, "paid_usd": 0.0, "requested": 3, "asked": 3, "answered": 3} | {
        "people": "files"
    }
    assert line.effect["topic"] | {} == {
        "decision": "promote", "champion": "old", "challenger": "new", "effect": 0.1, "fresh_effect": 0.2,
        "fresh_clips": 40, "fresh_units": 0, "fresh_interval": None, "fresh_freedom": None,
        "serves": "new",
    }  # fmt: skip
    told = json.loads((project.root / "run.json").read_text())
    assert told["name"] == "iteration 1: new style, promoted"
    assert told["metrics"]["topic/fresh_effect"] == 0.2
    assert project.state.read().status is Status.DONE


def test_the_next_call_begins_the_next_iteration(project, steps) -> None:
    said(project)
    steps[StepName.DECIDE] = lambda work: Outcome({"action": "nothing", "reason": "no drift"}, upcoming=StepName.SETTLE)
    report, _ = said(project)
    assert (report.ended, report.told) == (Ended.DONE, "nothing: no drift")
    assert [one.number for one in project.ledger.records()] == [1, 2]


def _dying_at(point: int, project) -> int:
    """Do an iteration in a child that is killed when it has written its state, or a step's file, so many times."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    reached = 0

    def passed() -> None:
        nonlocal reached
        reached += 1
        if reached == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def counting(step):
        def run(work):
            passed()
            outcome = step(work)
            passed()
            return outcome

        return run

    for name, step in list(runner.STEPS.items()):
        runner.STEPS[name] = counting(step)
    write, append = project.state.write, project.ledger.append

    def after_write(iteration) -> None:
        write(iteration)
        passed()

    def after_append(lines) -> None:
        append(lines)
        passed()

    project.state.write, project.ledger.append = after_write, after_append
    try:
        iterate(project, "", lambda line: None)
    finally:
        os._exit(0)


def test_killed_at_any_point_and_started_again_it_ends_the_same(tmp_path, steps, make_project, monkeypatch) -> None:
    monkeypatch.setattr(runner, "history_page", lambda lines: "<tr>" * len(lines))  # drawn a hundred times otherwise
    whole = make_project(tmp_path / "whole")
    said(whole)
    expected = left(whole.root)
    point = 0
    while True:
        point += 1
        killed = make_project(tmp_path / f"killed{point}")
        assert os.WIFSIGNALED(_dying_at(point, killed))
        state = killed.state.read()
        if state is not None and state.status is Status.DONE:
            break
        report, _ = said(make_project(killed.root))
        assert report.ended is Ended.DONE, point
        assert left(killed.root) == expected, point
    assert left(killed.root) == expected
    assert point > 40, "every step's beginning, work and end, and the ledger"


def test_one_call_goes_from_an_audit_that_finds_champions_worse_to_a_new_champion(project, steps) -> None:
    steps |= auditing(fit=False)
    report, lines = said(project)
    assert (report.ended, report.told) == (Ended.DONE, "promoted: topic (at once)")
    assert "  audited: 20 of 30" in lines
    audit, training = project.ledger.records()
    assert (audit.outcome, audit.effect["topic"]["right"], training.outcome) == ("audited", 20, "promoted")
    assert "train" not in audit.seconds


def test_an_audit_that_finds_champions_fit_ends_the_call_and_nothing_is_trained(project, steps) -> None:
    steps |= auditing(fit=True)
    report, _ = said(project)
    assert (report.ended, report.told) == (Ended.DONE, "audited: 28 of 30")
    assert len(list(project.ledger.records())) == 1
    assert not (project.root / "train.done").exists()
    assert json.loads((project.root / "run.json").read_text())["metrics"]["topic/audited_accuracy"] == 28 / 30


def test_a_held_loop_does_not_train_after_an_audit_and_trains_when_released(project, steps) -> None:
    steps |= auditing(fit=False)
    done = steps[StepName.AUDIT]

    def holds(work):
        project.verdicts.say(Word.HOLD, 0, "not now")
        return done(work)

    steps[StepName.AUDIT] = holds
    assert said(project)[0].ended is Ended.HELD
    project.verdicts.say(Word.RELEASE, 0, "")
    assert said(project)[0].told.startswith("promoted")


def test_killed_at_any_point_between_audit_and_training_it_ends_the_same(
    tmp_path, steps, make_project, monkeypatch
) -> None:
    monkeypatch.setattr(runner, "history_page", lambda lines: "<tr>" * len(lines))
    steps |= auditing(fit=False)
    whole = make_project(tmp_path / "whole")
    said(whole)
    expected, between = left(whole.root), 0
    for point in range(33, 46):  # the audit is judged, it is entered into the ledger, the training begins
        killed = make_project(tmp_path / f"killed{point}")
        assert os.WIFSIGNALED(_dying_at(point, killed))
        state = killed.state.read()
        between += state.status is Status.DONE
        assert state.number <= 2
        assert said(make_project(killed.root))[0].told == "promoted: topic (at once)", point
        assert left(killed.root) == expected, point
    assert between, "killed when the audit was over and the training had not begun"


def test_killed_again_and_again_it_ends_the_same(tmp_path, steps, make_project) -> None:
    whole, killed = make_project(tmp_path / "whole"), make_project(tmp_path / "killed")
    said(whole)
    for point in (3, 7, 2, 5, 4):
        assert os.WIFSIGNALED(_dying_at(point, make_project(killed.root)))
    said(killed)
    assert left(killed.root) == left(whole.root)


def test_waiting_for_people_is_a_state_and_goes_on_when_answers_come(project, steps) -> None:
    done = steps[StepName.WAIT_FOR_PEOPLE]
    steps[StepName.WAIT_FOR_PEOPLE] = lambda work: Outcome(told="3 clips wait for people", waits=Status.WAITING)
    for _ in range(2):
        report, _ = said(project)
        assert (report.ended, report.told) == (Ended.WAITING, "3 clips wait for people")
        assert project.state.read().status is Status.WAITING
    steps[StepName.WAIT_FOR_PEOPLE] = done
    report, lines = said(project)
    assert report.ended is Ended.DONE
    assert lines[0] == "iteration 1, wait for people", "what is done is not done again"


def test_a_server_that_does_not_answer_is_waited_for_and_never_given_up(project, steps) -> None:
    done = steps[StepName.WAIT_FOR_PEOPLE]

    def away(work):
        raise StudioAwayError("Label Studio does not answer")

    steps[StepName.WAIT_FOR_PEOPLE] = away
    for _ in range(5):
        report, _ = said(project)
        assert (report.ended, report.told) == (Ended.WAITING, "Label Studio does not answer")
    steps[StepName.WAIT_FOR_PEOPLE] = done
    assert said(project)[0].told == "promoted: topic (at once)"


def test_another_run_in_the_project_is_no_failure_of_the_step(project, steps) -> None:
    done = steps[StepName.LABEL]

    def busy(work):
        raise RunInProgressError("another run holds the lock")

    steps[StepName.LABEL] = busy
    for _ in range(4):
        with pytest.raises(RunInProgressError):
            said(project)
    steps[StepName.LABEL] = done
    assert said(project)[0].ended is Ended.DONE


def test_errors_with_waiting_between_them_do_not_add_up(project, steps) -> None:
    def fails(work):
        raise StudioError("a wrong token")

    for _ in range(2):
        steps[StepName.WAIT_FOR_PEOPLE] = fails
        for _ in range(2):
            with pytest.raises(StudioError):
                said(project)
        steps[StepName.WAIT_FOR_PEOPLE] = lambda work: Outcome(told="3 clips wait", waits=Status.WAITING)
        assert said(project)[0].ended is Ended.WAITING


def test_an_error_is_told_and_the_step_is_tried_again(project, steps) -> None:
    done = steps[StepName.ASK_PEOPLE]

    def fails(work):
        raise StudioError("no server")

    steps[StepName.ASK_PEOPLE] = fails
    with pytest.raises(StudioError):
        said(project)
    assert project.state.read().reason == "ask_people: no server"
    steps[StepName.ASK_PEOPLE] = done
    report, lines = said(project)
    assert (report.ended, lines[0]) == (Ended.DONE, "iteration 1, ask people")


def test_what_fails_again_and_again_is_given_up_and_does_not_block_the_loop(project, steps) -> None:
    def fails(work):
        raise StudioError("no server")

    steps[StepName.ASK_PEOPLE] = fails
    for _ in range(3):
        with pytest.raises(StudioError):
            said(project)
    report, _ = said(project)
    assert report.ended is Ended.FAILED
    assert report.line.outcome == "failed"
    assert "ask_people failed 3 times" in report.told
    assert json.loads((project.root / "run.json").read_text())["failed"]


def test_a_held_loop_begins_nothing_and_stops_before_the_next_step(project, steps) -> None:
    project.verdicts.say(Word.HOLD, 0, "a holiday")
    report, lines = said(project)
    assert (report.ended, lines) == (Ended.HELD, [])
    assert report.told.endswith("a holiday. `kedro iterate release` lets it go on")
    project.verdicts.say(Word.RELEASE, 0, "")
    done = steps[StepName.COLLECT]

    def holds(work):
        project.verdicts.say(Word.HOLD, 0, "not now")
        return done(work)

    steps[StepName.COLLECT] = holds
    report, lines = said(project)
    assert (report.ended, lines[-1]) == (Ended.HELD, "iteration 1, collect")
    steps[StepName.COLLECT] = done
    project.verdicts.say(Word.RELEASE, 0, "")
    assert said(project)[0].ended is Ended.DONE


def test_a_veto_ends_it_and_the_gate_promotes_nothing_of_it_later(project, steps) -> None:
    steps[StepName.APPROVE] = lambda work: Outcome(told="a person must approve", waits=Status.APPROVAL)
    assert said(project)[0].ended is Ended.HELD
    assert project.state.read().status is Status.APPROVAL
    project.verdicts.say(Word.VETO, 1, "not in this season")
    report, _ = said(project)
    assert report.line.outcome == "vetoed"
    assert "not in this season" in report.told
    (entry,) = [
        json.loads(line) for line in (project.root / "data/06_models/promotions.jsonl").read_text().splitlines()
    ]
    assert taken_back([Promotion.from_json(entry)]) == {"new"}


def test_one_iteration_at_a_time(project, steps) -> None:
    with locked(project.root), pytest.raises(RunInProgressError, match="another `kedro iterate`"):
        said(project)


def test_a_reason_given_while_one_goes_on_is_for_the_next(project, steps) -> None:
    done = steps[StepName.WAIT_FOR_PEOPLE]
    steps[StepName.WAIT_FOR_PEOPLE] = lambda work: Outcome(told="wait", waits=Status.WAITING)
    said(project)
    steps[StepName.WAIT_FOR_PEOPLE] = done
    _, lines = said(project, "a new season")
    assert "--cause is for a new one" in lines[0]
    assert project.state.read().trigger == ""


def test_a_damaged_state_is_told_with_the_remedy(project, steps) -> None:
    project.state.path.parent.mkdir(parents=True)
    for text in ("{", '{"format": 0}', '{"format": 1, "steps": [{}]}'):
        project.state.path.write_text(text)
        with pytest.raises(StoreError, match="move it away"):
            said(project)


def test_the_shipped_parameters_are_the_defaults(project_root: Path) -> None:
    import yaml

    shipped = yaml.safe_load((project_root / "conf/base/parameters_iterate.yml").read_text())["iterate"]
    assert IterateOptions.model_validate(shipped) == IterateOptions()
    assert GuardOptions().failures == 3
