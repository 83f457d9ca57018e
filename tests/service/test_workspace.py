"""Files of requests: they go with the worker, and where that was killed with the next start of one."""

import subprocess
import sys

import psutil
import pytest

from cu_pipeline.service import workspace
from cu_pipeline.service.workspace import RUN_VARIABLE, Workspace, start_run


@pytest.fixture
def temporary(monkeypatch, tmp_path):
    monkeypatch.setattr(workspace.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv(RUN_VARIABLE, raising=False)
    return tmp_path


def name_of(process):
    return f"{process.pid}-{int(process.create_time() * 1000)}"


@pytest.fixture
def dead():
    """Give the name of a process that was killed."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = name_of(psutil.Process(process.pid))
    process.kill()
    process.communicate()
    return name


def test_a_start_removes_what_killed_workers_of_its_service_left_and_nothing_else(monkeypatch, temporary, dead):
    run = start_run()
    monkeypatch.setenv(RUN_VARIABLE, str(run))
    living = run / f"worker-{name_of(psutil.Process().parent())}"
    for folder in (run / f"worker-{dead}", living):
        (folder / "request-1").mkdir(parents=True)
        (folder / "request-1" / "clip.mp4").write_bytes(b"private")
    own = Workspace.open()
    assert {path.name for path in run.iterdir()} == {living.name, own.folder.name}
    assert (living / "request-1" / "clip.mp4").is_file()


def test_a_service_removes_those_of_services_that_were_killed(temporary, dead):
    gone, working = temporary / f"cu_pipeline-serve-{dead}", temporary / "cu_pipeline-serve-1-2"
    living = temporary / f"cu_pipeline-serve-{name_of(psutil.Process().parent())}"
    for folder in (gone / f"worker-{dead}", living, working / f"worker-{name_of(psutil.Process())}"):
        folder.mkdir(parents=True)
    run = start_run()
    assert set(temporary.iterdir()) == {run, living, working}


def test_a_worker_that_ends_leaves_nothing(temporary):
    own = Workspace.open()
    (own.request_folder() / "clip.mp4").write_bytes(b"private")
    own.close()
    assert list(temporary.iterdir()) == []
