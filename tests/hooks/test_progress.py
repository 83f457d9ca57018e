import logging
import time

import pytest

from cu_pipeline.hooks.progress import Heartbeat


def test_long_work_says_that_it_goes_on_until_it_is_done(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cu_pipeline.core.progress.shown_within", lambda _: False)
    caplog.set_level(logging.INFO)
    beat = Heartbeat("[3/9] train_models", every_s=0.01)
    deadline = time.monotonic() + 10
    while not caplog.messages and time.monotonic() < deadline:
        time.sleep(0.01)
    beat.stop()
    said = len(caplog.messages)
    assert caplog.messages[0].startswith("[3/9] train_models goes on, ")
    time.sleep(0.05)
    assert len(caplog.messages) == said


def test_a_bar_that_moves_is_enough(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cu_pipeline.core.progress.shown_within", lambda _: True)
    caplog.set_level(logging.INFO)
    beat = Heartbeat("train_models", every_s=0.01)
    time.sleep(0.05)
    beat.stop()
    assert caplog.messages == []
