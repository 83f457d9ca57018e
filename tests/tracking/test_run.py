"""A whole run of a small Kedro project with this package's settings, in its own processes."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from cu_pipeline.tracking.dvc_lock import dvc_md5
from cu_pipeline.tracking.run_lock import RunLock

pytestmark = pytest.mark.slow

Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("network") / "refused.txt"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, new_project: Callable[[Path], Path]) -> Path:
    return new_project(tmp_path_factory.mktemp("project") / "tiny")


@pytest.fixture(scope="module")
def shell(project: Path, refused: Path, project_root: Path, project_environment: dict[str, str]) -> Shell:
    """Give a function that runs a command in the project with outbound sockets refused."""
    found_first = os.pathsep.join([str(project_root / "tests" / "no_network"), str(project_root / "src")])
    guard = {"PYTHONPATH": found_first, "REFUSED_CONNECTIONS": str(refused)}

    def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = project_environment | guard | variables
        return subprocess.run(
            command, cwd=project, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture(scope="module")
def first_run(shell: Shell) -> subprocess.CompletedProcess[str]:
    assert shell("kedro", "dvc-yaml").returncode == 0
    return shell("kedro", "run", "--params", "make.number=9")


def last_run(project: Path) -> dict[str, dict[str, str]]:
    with sqlite3.connect(project / "mlruns" / "mlflow.db") as database:
        run_id, status, name = database.execute(
            "select run_uuid, status, name from runs natural join tags where key = 'pipeline' "
            "order by start_time desc limit 1"
        ).fetchone()
        tables = {
            table: dict(database.execute(f"select key, value from {table} where run_uuid = ?", (run_id,)))
            for table in ("params", "tags", "latest_metrics")
        }
    return tables | {"run": {"id": run_id, "status": status, "name": name}}


def logged(project: Path, name: str) -> str:
    """Read an artifact of the last run."""
    return (project / "mlruns" / "artifacts" / last_run(project)["run"]["id"] / "artifacts" / name).read_text()


def test_the_guard_refuses_and_notes_connections(shell: Shell, refused: Path) -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80))"
    assert shell(sys.executable, "-c", code).returncode == 1
    assert refused.read_text() == "192.0.2.1\n"
    refused.unlink()


@pytest.mark.usefixtures("first_run")
def test_a_run_connects_to_nothing(refused: Path) -> None:
    assert not refused.exists()


def test_a_run_ends_with_a_summary_for_people(first_run: subprocess.CompletedProcess[str]) -> None:
    assert first_run.returncode == 0, first_run.stderr
    for text in ("[1/2] make: produce_number", "[2/2] use: increase_number", "made  9", "make ui", "make serve"):
        assert text in first_run.stdout


def test_the_mlflow_run_says_how_to_repeat_it(project: Path, first_run: subprocess.CompletedProcess[str]) -> None:
    found = last_run(project)
    assert found["run"]["status"] == "FINISHED"
    assert found["run"]["name"] == "1 first run"
    assert found["run"]["id"] in first_run.stdout
    assert found["params"]["make.number"] == "9"
    assert json.loads(logged(project, "run.json"))["counters"]["made"] == 9
    assert yaml.safe_load(logged(project, "parameters.yml"))["make"]["number"] == 9
    assert found["latest_metrics"]["topic/test/accuracy"] == 11
    assert found["tags"]["threads.OMP_NUM_THREADS"] == "1"
    assert found["tags"]["decoder.name"] == "pyav"
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=True)
    assert found["tags"]["git.commit"] == head.stdout.strip()


@pytest.mark.usefixtures("first_run")
def test_the_run_holds_the_figures_of_each_model(project: Path) -> None:
    folder = project / "mlruns" / "artifacts" / last_run(project)["run"]["id"] / "artifacts" / "figures" / "topic"
    assert {path.name for path in folder.iterdir()} == {
        "accuracy.png", "calibration.png", "confusion.png", "macro_f1.png",
    }  # fmt: skip
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.iterdir())


@pytest.mark.usefixtures("first_run")
def test_the_run_is_tagged_with_the_hashes_that_dvc_recorded(project: Path) -> None:
    locked = yaml.safe_load((project / "dvc.lock").read_text())["stages"]
    tags = last_run(project)["tags"]
    for stage, path in (("make", "data/number.json"), ("use", "data/metrics.json")):
        assert tags[f"mlflow.dvc.{path}"] == locked[stage]["outs"][0]["md5"] == dvc_md5(project / path)


@pytest.mark.usefixtures("first_run")
def test_repro_right_after_a_run_does_nothing_though_the_run_changed_a_parameter(shell: Shell) -> None:
    done = shell("dvc", "repro")
    assert done.returncode == 0, done.stderr
    assert "Running stage" not in done.stdout
    assert "up to date" in done.stdout


@pytest.mark.usefixtures("first_run")
def test_repro_after_an_edit_of_conf_runs_what_is_stale_with_the_recorded_parameters(
    project: Path, shell: Shell
) -> None:
    path = project / "conf" / "base" / "parameters_use.yml"
    path.write_text("use:\n  step: 5\n")
    done = shell("dvc", "repro")
    assert done.returncode == 0, done.stderr
    assert "Running stage 'use'" in done.stdout
    assert "Running stage 'make'" not in done.stdout
    assert json.loads((project / "data" / "metrics.json").read_text())["topic"]["test"]["accuracy"] == 14
    found = last_run(project)
    assert found["run"]["name"] == "2 use step 5 (use)"
    assert found["params"]["make.number"] == "9"
    assert found["tags"]["dvc.stage"] == "use"
    assert found["tags"]["mlflow.dvc.data/metrics.json"] == dvc_md5(project / "data" / "metrics.json")


@pytest.mark.usefixtures("first_run")
def test_a_failed_run_is_told_in_words_and_marked_failed(project: Path, shell: Shell) -> None:
    done = shell("kedro", "run", "--pipelines=make", "--params=make.fail=true", CU_PIPELINE_PARENT_RUN="an iteration")
    assert done.returncode == 1
    assert "ManifestError" in done.stderr
    assert "feed 'x' cannot be read" in done.stderr
    assert "produce_number" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "Traceback" in (project / "data" / "last_error.log").read_text()
    found = last_run(project)
    assert found["run"]["status"] == "FAILED"
    assert "feed 'x' cannot be read" in found["tags"]["error"]
    assert found["tags"]["mlflow.parentRunId"] == "an iteration", "it is shown under what it is a step of"


def test_all_configuration_errors_are_listed_before_any_node_runs(shell: Shell) -> None:
    done = shell("kedro", "run", "--params=make.nmber=3,make.number=many,mak.number=2")
    assert done.returncode == 1
    assert "parameter 'mak' is unknown: did you mean 'make'?" in done.stderr
    assert "parameter 'make.nmber' is unknown: did you mean 'number'? Allowed: fail, number" in done.stderr
    assert "parameter 'make.number' = 'many'" in done.stderr
    assert "pydantic" not in done.stdout + done.stderr
    assert "produce_number" not in done.stdout


def test_an_unknown_pipeline_is_refused_with_the_known_ones(shell: Shell) -> None:
    done = shell("kedro", "run", "--pipelines=mke")
    assert done.returncode == 1
    assert "pipeline 'mke' is unknown: did you mean 'make'? Allowed: __default__, make, use" in done.stderr


def test_a_second_run_stops_and_names_the_first(project: Path, shell: Shell) -> None:
    lock = RunLock(project)
    lock.acquire()
    try:
        done = shell("kedro", "run", "--pipelines=make")
    finally:
        lock.release()
    assert done.returncode == 1
    assert "RunInProgressError" in done.stderr
    assert f"process {os.getpid()} of " in done.stderr


@pytest.mark.usefixtures("first_run")
def test_a_stale_dvc_yaml_is_found_and_the_difference_named(project: Path, shell: Shell) -> None:
    assert shell("kedro", "dvc-yaml", "--check").returncode == 0
    path = project / "src" / "tiny" / "pipelines" / "use" / "nodes.py"
    text = path.read_text()
    path.write_text(
        "from cu_pipeline.core.hashing import text_sha256  # noqa\n" + text.replace("tiny.helper", "tiny.other")
    )
    (project / "src" / "tiny" / "other.py").write_text("def add(a, b):\n    return a + b\n")
    done = shell("kedro", "dvc-yaml", "--check")
    path.write_text(text)
    assert done.returncode == 1
    assert "stages/use/deps: lacks 'src/tiny/other.py'" in done.stderr
    assert "stages/use/deps: has 'src/tiny/helper.py', which is not wanted" in done.stderr


@pytest.fixture
def changed_since(project: Path, first_run: subprocess.CompletedProcess[str]) -> Iterator[None]:
    """Change code and data as others would after a run, and bring them back."""
    changes = {"src/tiny/helper.py": "def add(a, b):\n    return 0\n", "data/number.json": '{"value": 1}'}
    assert first_run.returncode == 0
    before = {name: (project / name).read_text() for name in changes}
    for name, text in changes.items():
        (project / name).write_text(text)
    yield
    for name, text in before.items():
        (project / name).write_text(text)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


@pytest.mark.usefixtures("changed_since")
def test_a_run_comes_out_again_after_code_and_data_changed_and_the_project_stays_as_it_is(
    project: Path, shell: Shell, first_run: subprocess.CompletedProcess[str]
) -> None:
    run_id = re.search(r"MLflow run +(\w+)", first_run.stdout)[1]
    before = files(project)
    done = shell("kedro", "reproduce", run_id[:8], "--pipelines=use", OMP_NUM_THREADS="2")
    assert done.returncode == 0, done.stdout + done.stderr
    for text in ("again: use", "[1/1] use: increase_number", "identical", "OMP_NUM_THREADS: 1, now 2"):
        assert text in done.stdout
    after = files(project)
    assert after.keys() == before.keys()
    assert {path.name for path, content in after.items() if before[path] != content} <= {"mlflow.db"}


@pytest.mark.nightly
def test_a_run_outside_git_succeeds_with_a_warning(
    tmp_path: Path, new_project: Callable[[Path], Path], project_environment: dict[str, str]
) -> None:
    lonely = new_project(tmp_path / "lonely")
    shutil.rmtree(lonely / ".git")
    environment = project_environment | {"GIT_CEILING_DIRECTORIES": str(tmp_path)}
    for command in (["kedro", "dvc-yaml"], ["kedro", "run"]):
        done = subprocess.run(command, cwd=lonely, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert "DVC did not record this run" in done.stdout
    assert "is not a git repository" in done.stdout
    assert "`git init`, or `dvc config core.no_scm true`" in done.stdout
    assert json.loads((lonely / "data" / "number.json").read_text())["value"] == 4
