"""Processes that end as they should not, with the real signals, and several at once."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.inference.prediction_log.made import ids, opened, record

from cu_pipeline.inference.prediction_log import read_log

WRITER = [sys.executable, str(Path(__file__).with_name("writer.py"))]


def start(place, prefix, *how):
    command = [*WRITER, str(place), prefix, *how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)


def kept_until(writer, number):
    """Read what a writer says is kept, and kill it when that are so many; the last line may be torn."""
    lines = [writer.stdout.readline() for _ in range(number)]
    writer.kill()
    lines += writer.stdout.read().splitlines(keepends=True)
    writer.wait()
    writer.stdout.close()
    return {line.decode().strip() for line in lines if line.endswith(b"\n")}


def test_what_killed_writers_said_is_kept_is_found_once_and_nothing_stays_in_the_spool(tmp_path):
    writers = [start(tmp_path, prefix) for prefix in ("a", "b")]
    kept = set().union(*(kept_until(writer, number) for writer, number in zip(writers, (400, 900), strict=True)))
    before = read_log(tmp_path)
    assert kept <= set(ids(before))
    opened(tmp_path).close()
    after = read_log(tmp_path)
    assert after.records == before.records
    assert len(ids(after)) == len(set(ids(after)))
    assert [path.name for path in (tmp_path / "spool").iterdir() if path.suffix == ".jsonl"] == []


def test_a_living_worker_takes_over_what_a_killed_one_left(tmp_path):
    log = opened(tmp_path)
    kept = kept_until(start(tmp_path, "a"), 50)
    log.append(record("own"))
    log._mover._survey_at = 0.0  # it looks every few seconds
    log._mover._survey()
    assert log.flush()
    shutil.rmtree(tmp_path / "spool")
    assert kept | {"own"} <= set(ids(read_log(tmp_path)))
    log.close()


def test_a_child_that_outlives_its_parent_does_not_keep_the_segments(tmp_path):
    parent = start(tmp_path, "a", "fork")
    try:
        kept = {parent.stdout.readline().decode().strip() for _ in range(5)}
        assert parent.wait() == 9
        deadline = time.monotonic() + 20  # the child lets go as soon as it has its turn
        while list((tmp_path / "spool").glob("*.jsonl")) and time.monotonic() < deadline:
            opened(tmp_path).close()
        assert list((tmp_path / "spool").glob("*.jsonl")) == []
        assert set(ids(read_log(tmp_path))) == kept
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.stdout.close()


def test_a_stopped_process_loses_nothing_to_others(tmp_path):
    writer = start(tmp_path, "a")
    kept = {writer.stdout.readline().decode().strip() for _ in range(20)}
    writer.send_signal(signal.SIGSTOP)
    try:
        time.sleep(0.05)
        other = opened(tmp_path)
        held = list((tmp_path / "spool").glob("*.jsonl"))
        other.close()
        assert all(path.exists() for path in held)
    finally:
        writer.send_signal(signal.SIGCONT)
    kept |= kept_until(writer, 20)
    assert kept <= set(ids(read_log(tmp_path)))


def test_on_a_disk_that_is_full_what_is_said_to_be_kept_is_and_goes_on_when_there_is_room(tmp_path):
    own_mounts = ["unshare", "-rm"]
    if subprocess.run([*own_mounts, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    script = [sys.executable, str(Path(__file__).with_name("full_disk.py")), str(tmp_path)]
    done = subprocess.run([*own_mounts, *script], check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    assert sorted(told["found"]) == sorted(told["kept"])
    assert told["kept"][-10:] == [f"r{number}" for number in range(400, 410)]
    assert (len(told["kept"]) + told["failures"], told["invalid"]) == (410, 0)
    assert told["failures"] > 0
