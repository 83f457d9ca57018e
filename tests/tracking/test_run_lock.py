import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cu_pipeline.core.errors import ConfigurationError, NoSpaceError, RunInProgressError
from cu_pipeline.tracking import run_lock
from cu_pipeline.tracking.run_lock import TIMEOUT_VARIABLE, RunLock

HOLDER = """
import sys, time
from pathlib import Path
from cu_pipeline.tracking.run_lock import RunLock
lock = RunLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
time.sleep(float(sys.argv[2]))
lock.release()
"""


def hold(root: Path, seconds: float) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_run_is_refused_and_told_who_holds_the_lock(tmp_path: Path) -> None:
    with hold(tmp_path, 60) as holder:
        with pytest.raises(RunInProgressError, match=rf"process {holder.pid} of .*{TIMEOUT_VARIABLE}"):
            RunLock(tmp_path).acquire()
        holder.kill()


def test_a_killed_run_leaves_no_lock(tmp_path: Path) -> None:
    with hold(tmp_path, 60) as holder:
        holder.kill()
    lock = RunLock(tmp_path)
    lock.acquire()
    lock.release()


def test_a_run_may_wait_for_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TIMEOUT_VARIABLE, "30")
    with hold(tmp_path, 0.5):
        lock, started = RunLock(tmp_path), time.perf_counter()
        lock.acquire()
        lock.release()
    assert time.perf_counter() - started < 20


def test_two_locks_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    first, second = RunLock(tmp_path), RunLock(tmp_path)
    first.acquire()
    with pytest.raises(RunInProgressError, match=str(os.getpid())):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


@pytest.mark.parametrize("value", ["soon", "-1"])
def test_a_bad_waiting_time_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(TIMEOUT_VARIABLE, value)
    with pytest.raises(ConfigurationError, match=rf"{TIMEOUT_VARIABLE}='{value}'.*number of seconds"):
        RunLock(tmp_path).acquire()


def test_on_a_full_disk_only_what_makes_space_gets_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise NoSpaceError("no space left")

    monkeypatch.setattr(run_lock, "write_text", full)
    with pytest.raises(NoSpaceError):
        RunLock(tmp_path).acquire()
    lock = RunLock(tmp_path, freeing=True)
    lock.acquire()
    with pytest.raises(RunInProgressError, match="a process that has just started"):
        RunLock(tmp_path, freeing=True).acquire()
    lock.release()
