"""`kedro iterate`: what people say to the loop, and exit codes."""

import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from cu_pipeline.cli.iterate import iterate
from cu_pipeline.core.errors import TrackingError
from cu_pipeline.iterate import runner
from cu_pipeline.iterate.ledger import IterationLine
from cu_pipeline.iterate.project import Project
from cu_pipeline.iterate.runner import Ended, Report
from cu_pipeline.iterate.state import Iteration, Status


@pytest.fixture
def project(tmp_path) -> Project:
    return Project(tmp_path)


def run(project: Project, *words: str) -> Result:
    return CliRunner().invoke(iterate, words, obj=SimpleNamespace(project_path=project.root))


def test_people_hold_and_release_the_loop(project) -> None:
    assert run(project, "hold", "--reason", "a holiday").output == "hold: noted. It counts at the next step\n"
    assert "a holiday" in run(project, "status").output
    assert run(project, "release").exit_code == 0
    assert run(project, "status").output == "no iteration yet: `kedro iterate`\n"


def test_where_the_loop_stands_is_the_same_in_each_environment(project) -> None:
    refused = run(project, "status", "--env", "production")
    assert (refused.exit_code, "No such option" in refused.output) == (2, True)


def test_a_held_loop_ends_with_4(project) -> None:
    run(project, "hold")
    held = run(project)
    assert (held.exit_code, "held by" in held.output) == (4, True)


@pytest.mark.parametrize(
    ("word", "remedy"), [("approve", "kedro models promote CAPABILITY MODEL"), ("veto", "kedro models rollback CAPABI")]
)
def test_a_word_about_no_iteration_is_told_with_the_remedy(project, word: str, remedy: str) -> None:
    refused = run(project, word)
    assert refused.exit_code == 1
    assert f"{word}: no iteration is open" in refused.output
    assert remedy in refused.output


def test_approval_and_veto_are_for_the_iteration_that_is_open(project) -> None:
    project.state.write(
        Iteration(5, "2026-11-27T02:45:09+00:00", status=Status.APPROVAL, reason="topic: a person must approve")
    )
    approved = run(project, "approve", "--reason", "looks good").output
    assert approved == "approve: noted, for iteration 5. It counts at the next step\n"
    shown = run(project, "status").output
    assert "waits for approval: topic" in shown
    assert "looks good" in shown
    project.state.write(Iteration(5, "2026-11-27T02:45:09+00:00", status=Status.RUNNING))
    assert "It does not wait for approval now" in run(project, "approve").output
    project.state.write(Iteration(5, "2026-11-27T02:45:09+00:00", status=Status.DONE, reason="promoted"))
    assert "iteration 5 is over: promoted" in run(project, "veto").output


@pytest.mark.parametrize(("ended", "code"), [(Ended.DONE, 0), (Ended.WAITING, 3), (Ended.HELD, 4)])
def test_the_exit_code_tells_how_a_call_ended(project, monkeypatch, ended: Ended, code: int) -> None:
    monkeypatch.setattr(runner, "iterate", lambda *_: Report(ended, "9 clips wait for people"))
    done = run(project)
    assert (done.exit_code, done.output) == (code, "9 clips wait for people\n")


def test_an_error_ends_with_1_and_words(project, monkeypatch) -> None:
    project.state.path.parent.mkdir(parents=True)
    project.state.path.write_text("{")
    done = run(project)
    assert done.exit_code == 1
    assert "move it away" in done.output
    refused = run(project, "--every", "soon")
    assert (refused.exit_code, "at least 10s" in refused.output) == (1, True)


def test_calls_that_failed_are_shown_until_one_does_not(project, monkeypatch) -> None:
    def fails(project, *_):
        with project.failed_calls.counting():
            raise TrackingError("http://mlflow:5000 does not answer")

    monkeypatch.setattr(runner, "iterate", fails)
    assert run(project).exit_code == 1
    shown = run(project, "status").output.splitlines()
    assert shown[0].startswith("the last call ended by an error, 20")
    assert shown[0].endswith(": http://mlflow:5000 does not answer")
    assert shown[1] == "no iteration yet: `kedro iterate`"
    assert run(project).exit_code == 1
    assert run(project, "status").output.startswith("the last 2 calls ended by an error, 20")
    with project.failed_calls.counting():
        pass
    assert "error" not in run(project, "status").output


def test_the_history_is_for_people_and_for_programs(project) -> None:
    line = IterationLine(1, "2026-11-27T02:45:09+00:00", "2026-11-27T02:55:09+00:00", "nothing", "nothing", "no drift")
    project.ledger.append([line])
    assert "nothing" in run(project, "history").output
    assert json.loads(run(project, "history", "--json").output)["reason"] == "no drift"


def test_without_a_report_a_dry_run_says_that_monitor_comes_first(project) -> None:
    assert "run monitor" in run(project, "--dry-run").output
