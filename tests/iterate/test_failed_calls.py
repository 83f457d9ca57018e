"""Calls of the loop that end by an error are counted until one ends otherwise."""

import errno
import json
import os

import pytest

from cu_pipeline.core.errors import ConfigurationError, RunInProgressError, StoreError, TrackingError
from cu_pipeline.iterate import parent_run
from cu_pipeline.iterate.failed_calls import FailedCallsFile
from cu_pipeline.iterate.runner import iterate, locked
from cu_pipeline.iterate.state import StepName
from cu_pipeline.iterate.verdicts import Word


def quiet(line: str) -> None:
    """Show nothing."""


def failing(error: BaseException):
    """What raises it, whatever it is called with."""

    def fails(*_: object, **__: object):
        raise error

    return fails


def call(project, error: type[BaseException] = Exception) -> None:
    with pytest.raises(error):
        iterate(project, "", quiet)


@pytest.mark.parametrize("place", ["parameters", "server", "step"])
def test_calls_that_end_by_an_error_are_counted_wherever_it_came_from(project, steps, monkeypatch, place) -> None:
    error = TrackingError("http://mlflow:5000 does not answer.\n  Start the server")
    with monkeypatch.context() as broken:
        if place == "parameters":
            broken.setattr(project, "parameters", failing(error))
        elif place == "server":
            broken.setattr(parent_run, "start", failing(error))
        else:
            broken.setitem(steps, StepName.MONITOR, failing(error))
        call(project, TrackingError)
        first = project.failed_calls.read()
        assert first.calls == 1
        assert first.since == first.last
        assert first.error == "http://mlflow:5000 does not answer. Start the server"
        call(project, TrackingError)
        second = project.failed_calls.read()
        assert (second.calls, second.since) == (2, first.since)
    iterate(project, "", quiet)
    assert project.failed_calls.read() is None
    assert not project.failed_calls.path.exists()


def test_a_call_that_is_held_ends_the_row(project, steps, monkeypatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(project, "parameters", failing(ConfigurationError("a misspelt key")))
        call(project, ConfigurationError)
    project.verdicts.say(Word.HOLD, 0, "")
    iterate(project, "", quiet)
    assert project.failed_calls.read() is None


@pytest.mark.parametrize("error", [RunInProgressError("another run"), KeyboardInterrupt(), SystemExit(143)])
def test_giving_way_and_signals_neither_count_nor_end_the_row(project, steps, monkeypatch, error) -> None:
    monkeypatch.setattr(project, "parameters", failing(error))
    call(project, type(error))
    assert project.failed_calls.read() is None
    monkeypatch.setattr(project, "parameters", failing(ConfigurationError("a misspelt key")))
    call(project, ConfigurationError)
    monkeypatch.setattr(project, "parameters", failing(error))
    call(project, type(error))
    assert project.failed_calls.read().calls == 1


def test_a_call_beside_another_one_does_not_count(project, steps) -> None:
    with locked(project.root):
        call(project, RunInProgressError)
    assert project.failed_calls.read() is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_an_error_that_cannot_be_noted_is_raised_alone(project, steps, monkeypatch, number) -> None:
    error = ConfigurationError("a misspelt key")
    monkeypatch.setattr(project, "parameters", failing(error))
    monkeypatch.setattr(os, "fsync", failing(OSError(number, os.strerror(number))))
    with pytest.raises(ConfigurationError) as raised, project.failed_calls.counting():
        raise error
    assert raised.value is error
    assert raised.value.__context__ is None
    assert list(project.failed_calls.path.parent.iterdir()) == []


def test_what_an_error_said_is_kept_short(tmp_path) -> None:
    file = FailedCallsFile(tmp_path / "calls.json")
    for error, told in ((ValueError("x" * 1000), "x" * 300 + "…"), (ValueError(), "ValueError")):
        with pytest.raises(ValueError), file.counting():  # noqa: PT011 - what was raised comes out as it is
            raise error
        assert file.read().error == told


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2}', '{"format": 1, "calls": "many"}'])
def test_a_damaged_file_is_told_and_the_next_error_counts_from_1(tmp_path, text) -> None:
    file = FailedCallsFile(tmp_path / "calls.json")
    file.path.write_text(text)
    with pytest.raises(StoreError, match="Remedy: delete it"):
        file.read()
    with pytest.raises(ValueError, match="no"), file.counting():
        raise ValueError("no")
    assert (file.read().calls, json.loads(file.path.read_text())["format"]) == (1, 1)
