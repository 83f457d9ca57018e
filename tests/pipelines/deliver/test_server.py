import subprocess
import sys
import time

import psutil
import pytest

from cu_pipeline.core.errors import DeliveryError
from cu_pipeline.pipelines.deliver.bento import Bento, serving
from cu_pipeline.pipelines.deliver.running_service import stop


def alive(pid):
    if not psutil.pid_exists(pid):
        return False
    return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def ended(pid):
    for _ in range(50):
        if not alive(pid):
            return True
        time.sleep(0.1)
    return False


def test_a_service_that_does_not_start_is_reported_with_its_output(tmp_path):
    absent = Bento("small", "v1", tmp_path)
    with (
        pytest.raises(DeliveryError, match=r"(?s)before it was ready.*The end of .*service\.log.*small/v1"),
        serving(absent, prediction_log=tmp_path / "log", output=tmp_path / "service.log", timeout_s=60),
    ):
        raise AssertionError("unreachable")


def test_a_service_that_hangs_is_stopped(tmp_path, monkeypatch):
    (tmp_path / "hang.py").write_text("import time; print('loading', flush=True); time.sleep(60)")
    started = []
    popen = subprocess.Popen

    def hang(command, **arguments):
        started.append(popen([sys.executable, str(tmp_path / "hang.py")], **arguments))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", hang)
    with (
        pytest.raises(DeliveryError, match=r"(?s)not ready after 1 s.*Remedy: .*start_timeout_s.*loading"),
        serving(Bento("small", "v1", tmp_path), prediction_log=tmp_path, output=tmp_path / "service.log", timeout_s=1),
    ):
        raise AssertionError("unreachable")
    assert started[0].returncode is not None


def test_stopping_ends_the_whole_group(tmp_path):
    script = "import subprocess, sys, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert alive(child)
    stop(parent)
    parent.stdout.close()
    assert ended(child)


def test_the_service_ends_when_the_run_is_killed(tmp_path):
    script = """
import subprocess, sys, time
from pathlib import Path
from cu_pipeline.pipelines.deliver.bento import Bento
from cu_pipeline.pipelines.deliver.bento import serving

popen = subprocess.Popen

def hang(command, **arguments):
    process = popen(["sleep", "60"], **arguments)
    print(process.pid, flush=True)
    return process

subprocess.Popen = hang
here = Path(sys.argv[1])
with serving(Bento("small", "v1", here), prediction_log=here, output=here / "service.log", timeout_s=60):
    pass
"""
    run = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    assert run.stdout is not None
    service = int(run.stdout.readline())
    assert alive(service)
    run.kill()
    run.wait()
    run.stdout.close()
    assert ended(service)
