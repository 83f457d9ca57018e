import os
import signal
import sys
import threading
import time

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.core.errors import ConfigurationError, RunInProgressError
from cu_pipeline.iterate.schedule import LOCK, Schedule, next_time, seconds_of


@pytest.mark.parametrize("text", ["", "soon", "5", "1w", "9s", "0h", "-1h"])
def test_a_length_of_time_that_is_none_is_told_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ConfigurationError, match="at least 10s, such as 30m or 1h"):
        seconds_of(text)


@given(now=st.floats(0, 4e9), every=st.sampled_from([10.0, 900.0, 3600.0, 86400.0]))
def test_times_lie_on_a_grid_whenever_the_process_was_started(now: float, every: float) -> None:
    upcoming = next_time(now, every)
    assert 0 < upcoming - now <= every
    assert upcoming % every == 0


def schedule(tmp_path, command: str, waits: list[bool], told: list[str], clock=lambda: 1000.0) -> Schedule:
    given = iter(waits)
    return Schedule([sys.executable, "-c", command], 3600.0, told.append, lambda seconds: next(given), clock)


def test_it_runs_at_once_and_at_each_time_and_tells_the_next(tmp_path) -> None:
    told: list[str] = []
    count = f"open({str(tmp_path / 'runs')!r}, 'a').write('x'); raise SystemExit(3)"
    (tmp_path / "data").mkdir()
    schedule(tmp_path, count, [False, False, True], told).run(tmp_path)
    assert (tmp_path / "runs").read_text() == "xxx"
    assert told == ["exit code 3; next: 1970-01-01 01:00:00 UTC"] * 3 + ["stopped"]


def test_a_time_that_passed_while_it_ran_is_not_made_up_for(tmp_path) -> None:
    told: list[str] = []
    (tmp_path / "data").mkdir()
    schedule(tmp_path, "", [True], told, clock=lambda: 9000.0).run(tmp_path)
    assert told[0].endswith("1970-01-01 03:00:00 UTC")


def test_one_schedule_at_a_time(tmp_path) -> None:
    (tmp_path / "data").mkdir()
    with FileLock(tmp_path / LOCK), pytest.raises(RunInProgressError, match="end that one first"):
        schedule(tmp_path, "", [], []).run(tmp_path)


def test_a_signal_ends_it_with_the_iteration_that_runs(tmp_path) -> None:
    (tmp_path / "data").mkdir()
    marks, told = tmp_path / "marks", []
    command = (
        "import signal, sys, time\n"
        f"marks = open({str(marks)!r}, 'a', buffering=1)\n"
        "def end(*_):\n    marks.write('ended\\n')\n    sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, end)\nmarks.write('began\\n')\ntime.sleep(60)"
    )
    one = Schedule([sys.executable, "-c", command], 3600.0, told.append)
    former = signal.signal(signal.SIGTERM, one.stop)

    def stop() -> None:
        while not marks.is_file() or not marks.read_text():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop, daemon=True).start()
    try:
        one.run(tmp_path)
    finally:
        signal.signal(signal.SIGTERM, former)
    assert (marks.read_text(), told) == ("began\nended\n", ["stopped"])
