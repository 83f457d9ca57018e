"""Locks in a real PostgreSQL server, between processes."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.servers.postgres import PASSWORD, Postgres, started

from cu_pipeline.core.errors import RunInProgressError, StoreError
from cu_pipeline.tracking.run_lock import HERE, RunLock

HOLDER = """
import sys, time
from pathlib import Path
from cu_pipeline.tracking.run_lock import RunLock
stages = sys.argv[2].split(",") if sys.argv[2] else None
lock = RunLock(Path(sys.argv[1]), stages)
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with started() as made:
        yield made


@pytest.fixture
def address(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:
    found = f"postgresql+psycopg://postgres:{PASSWORD}@127.0.0.1:{server.port}/postgres"
    monkeypatch.setenv("CU_PIPELINE_DATABASE_URL", found)
    monkeypatch.setenv("CU_PIPELINE_ACTOR", "anna@laptop")
    return found


def held(root: Path, stages: str) -> subprocess.Popen[str]:
    """Start a process, as on another machine, that holds the locks of stages."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(root), stages], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_two_clones_write_different_stages_side_by_side_and_never_the_same(address: str, tmp_path: Path) -> None:
    with held(tmp_path / "theirs", "label,train") as holder:
        beside = RunLock(tmp_path / "mine", {"collect", "featurize"})
        beside.acquire()
        beside.release()
        refusal = rf"writes the stages label, train: process {holder.pid} of anna@laptop, since \d{{4}}-.*LOCK_TIMEOUT"
        for stages in ({"train", "evaluate"}, None):
            lock = RunLock(tmp_path / "mine", stages)
            with pytest.raises(RunInProgressError, match=refusal):
                lock.acquire()
            lock.release()
        here = RunLock(tmp_path / "mine", HERE)
        here.acquire()
        here.release()
        holder.kill()
    lock = RunLock(tmp_path / "mine", None)  # a killed holder leaves none
    _soon(lock)
    other = RunLock(tmp_path / "theirs", {"collect"})
    with pytest.raises(RunInProgressError, match=r"writes the whole project: .* anna@laptop"):
        other.acquire()
    lock.release()
    other.acquire()
    other.release()


def _soon(lock: RunLock) -> None:
    """Take a lock that the server frees as soon as it notices that its holder is gone."""
    for _ in range(100):
        try:
            return lock.acquire()
        except RunInProgressError:
            time.sleep(0.05)
    raise AssertionError("a killed holder's lock stays")


def test_one_clone_has_one_run_whatever_the_stages_and_a_refused_one_keeps_nothing(
    address: str, tmp_path: Path
) -> None:
    first, second = RunLock(tmp_path, {"collect"}), RunLock(tmp_path, {"train"})
    first.acquire()
    with pytest.raises(RunInProgressError, match=re.escape(str(tmp_path))):
        second.acquire()
    elsewhere = RunLock(tmp_path / "other", {"train"})
    elsewhere.acquire()
    elsewhere.release()
    first.release()


def test_a_run_waits_for_another_clone(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CU_PIPELINE_LOCK_TIMEOUT", "30")
    with held(tmp_path / "theirs", "train") as holder:
        killed = subprocess.Popen([sys.executable, "-c", f"import os, time; time.sleep(1); os.kill({holder.pid}, 9)"])
        lock = RunLock(tmp_path / "mine", {"train"})
        lock.acquire()
        lock.release()
        killed.wait()


def test_a_lost_session_is_told(address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lock = RunLock(tmp_path, {"train"})
    lock.acquire()
    with psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(backend) FROM run_locks")
    lock.release()
    assert "another run may have written the same stages" in caplog.text
    lock.acquire()
    lock.release()


def test_a_database_that_is_away_is_told_without_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CU_PIPELINE_DATABASE_URL", f"postgresql://me:{PASSWORD}@127.0.0.1:1/none")
    lock = RunLock(tmp_path, {"train"})
    with pytest.raises(StoreError, match=r"me:\*\*\*@127\.0\.0\.1:1/none .*Remedy: start it") as raised:
        lock.acquire()
    assert PASSWORD not in str(raised.value)
    monkeypatch.delenv("CU_PIPELINE_DATABASE_URL")
    lock.acquire()  # nothing of the refused one is held
    lock.release()
