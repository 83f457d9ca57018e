"""`kedro drift`."""

import json
import os
import socket
import subprocess
import sys
import time
from types import SimpleNamespace
from urllib.request import urlopen

import pytest
from click.testing import CliRunner
from tests.drift_files import LONG, cause_told, drift_told, one_test

from cu_pipeline.cli.drift import drift
from cu_pipeline.reports.drift_history import past_look, write_history
from cu_pipeline.reports.drift_told import read_drift
from cu_pipeline.reports.evidently_workspace import PROJECT

UI = """
import sys
from types import SimpleNamespace
from cu_pipeline.cli.drift import drift
drift(["ui", "--port", sys.argv[2]], obj=SimpleNamespace(project_path=sys.argv[1]))
"""


def typed(root, *words):
    return CliRunner().invoke(drift, words, obj=SimpleNamespace(project_path=str(root)))


def put(root, name, content):
    folder = root / "data/08_reporting"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def test_the_last_decision_is_told_in_words_and_as_an_exit_code(tmp_path):
    tests = [one_test(f"fact_{name}", drifted=True) for name in "abcdefg"]
    causes = [cause_told(in_words="a new topic: \x1b[2J宠物")]
    put(tmp_path, "drift.json", drift_told(tests=tests, causes=causes, notices=["the service serves other models"]))
    done = typed(tmp_path, "status")
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert lines[:2] == [
        "Notice: the service serves other models",
        "Decision: drift, with answers until 2026-03-04 12:00",
    ]
    assert "Cause: a new topic: [2J宠物 (12% of the clips, since 2026-03-03 14:00; training may help)" in lines
    assert "… and 2 more tests declare drift" in lines
    assert "Estimated quality of topic: 71% [60%, 80%], not to be trusted: the clips are new" in lines
    assert typed(tmp_path, "status", "--exit-code").exit_code == 3
    shown = typed(tmp_path, "status", "--json", "--exit-code")
    assert shown.exit_code == 3
    assert json.loads(shown.output)["decision"] == "drift"
    put(tmp_path, "drift.json", drift_told("no_drift", all_clear=False))
    assert typed(tmp_path, "status", "--exit-code").exit_code == 0
    assert "This is no all-clear" in typed(tmp_path, "status").output


def test_what_is_missing_is_told_with_the_remedy(tmp_path):
    for command in ("status", "ui"):
        done = typed(tmp_path, command)
        assert done.exit_code == 1
        assert "Remedy: make run PIPELINES=monitor" in done.output
    assert "no look in the history yet" in typed(tmp_path, "history").output


def test_the_history_is_a_table(tmp_path):
    causes = [cause_told(in_words=LONG)]
    looks = [past_look(read_drift(drift_told("no_drift", number=number)), None) for number in (1, 2)]
    looks.append(past_look(read_drift(drift_told(number=3, causes=causes)), 2.5))
    put(tmp_path, "drift_history.json", write_history(looks))
    titles, *rows = typed(tmp_path, "history").output.splitlines()
    assert titles.split()[:2] == ["time", "(UTC)"]
    assert len(rows) == 3
    assert rows[0].startswith("2026-03-04 12:00  no drift  40     latest 40, since decision 60  0.0123  –")
    assert f"{LONG[:60]}…" in rows[2]
    assert len({row.index("0.0123") for row in rows}) == 1
    assert [look["id"] for look in json.loads(typed(tmp_path, "history", "--last", "1", "--json").output)] == ["look3"]


def test_a_port_that_is_taken_is_told_in_words(tmp_path):
    (tmp_path / "data/08_reporting/evidently" / str(PROJECT)).mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = typed(tmp_path, "ui", "--port", str(port))
    assert done.exit_code == 1
    assert f"port {port} is in use" in done.output


@pytest.mark.slow
def test_evidentlys_ui_shows_the_project_and_calls_nobody(tmp_path, project_root):
    folder = tmp_path / "data/08_reporting/evidently" / str(PROJECT)
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text(json.dumps({"id": str(PROJECT), "name": "Drift", "version": "2"}))
    refused = tmp_path / "refused.txt"
    refused.touch()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found_first = os.pathsep.join([str(project_root / "tests" / "no_network"), str(project_root / "src")])
    environment = os.environ | {"PYTHONPATH": found_first, "REFUSED_CONNECTIONS": str(refused), "DO_NOT_TRACK": "0"}
    command = [sys.executable, "-c", UI, str(tmp_path), str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        try:
            projects = _answer(f"http://127.0.0.1:{port}/api/projects", server)
        finally:
            server.terminate()
        shown = server.stdout.read().decode()
    assert [project["name"] for project in projects] == ["Drift"]
    assert f"Drift: http://127.0.0.1:{port}/projects/{PROJECT}" in shown
    assert refused.read_text() == ""


def _answer(url, server):
    for _ in range(600):
        assert server.poll() is None, server.stdout.read().decode()
        try:
            with urlopen(url, timeout=5) as answer:
                return json.loads(answer.read())
        except OSError:
            time.sleep(0.1)
    raise AssertionError("Evidently's UI did not start")
