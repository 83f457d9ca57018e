"""What `deploy/` holds: it fits the schema of its kind, and calls the loop as it is."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml

DAG = Path("deploy/airflow/cu_pipeline_iterate.py")
CRON = Path("deploy/kubernetes/iterate-cronjob.yaml")


@pytest.fixture
def operator(project_root: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Run the DAG's file with stand-ins that note what Airflow would be given."""
    noted = SimpleNamespace(dag={}, task={})

    class Dag:
        def __init__(self, **given: object) -> None:
            noted.dag = given

        def __enter__(self) -> "Dag":
            return self

        def __exit__(self, *_: object) -> None:
            pass

    def bash(**given: object) -> None:
        noted.task = given

    for name, content in {
        "airflow.sdk": {"DAG": Dag},
        "airflow.providers.standard.operators.bash": {"BashOperator": bash},
    }.items():
        module = ModuleType(name)
        vars(module).update(content)
        for depth in range(1, name.count(".") + 1):
            parent = ".".join(name.split(".")[:depth])
            monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
        monkeypatch.setitem(sys.modules, name, module)
    text = (project_root / DAG).read_text()
    ast.parse(text)
    exec(compile(text, str(DAG), "exec"), {})
    return noted


def test_the_dag_runs_one_iteration_an_hour_and_never_two(operator: SimpleNamespace) -> None:
    assert operator.dag["schedule"] == "@hourly"
    assert (operator.dag["max_active_runs"], operator.dag["catchup"]) == (1, False)
    assert operator.task["skip_on_exit_code"] == [3, 4], "waiting is no failure"


def _shell(command: str, folder: Path, code: int) -> int:
    """Run a command where `kedro iterate` ends with a code."""
    binaries = folder / ".venv" / "bin"
    binaries.mkdir(parents=True, exist_ok=True)
    (binaries / "activate").write_text(f'PATH="{binaries}:$PATH"\n')
    kedro = binaries / "kedro"
    kedro.write_text(f'#!/bin/sh\ntest "$*" = iterate && exit {code}\nexit 99\n')
    kedro.chmod(0o755)
    return subprocess.run(["sh", "-c", command], cwd=folder, check=False).returncode


@pytest.mark.parametrize("code", [0, 1, 3, 4])
def test_the_dags_command_hands_the_exit_code_on(operator: SimpleNamespace, tmp_path: Path, code: int) -> None:
    command = operator.task["bash_command"].replace("{{ var.value.cu_pipeline_root }}", str(tmp_path))
    command = re.sub(r"\{\{ var\.value\.get.*?\}\}", "", command)
    assert "{{" not in command
    assert _shell(command, tmp_path, code) == code


@pytest.mark.parametrize(("code", "seen"), [(0, 0), (1, 1), (3, 0), (4, 0), (137, 137)])
def test_waiting_is_no_failure_of_the_cron_job(project_root: Path, tmp_path: Path, code: int, seen: int) -> None:
    (container,) = _pod(project_root)["containers"]
    shell, option, command = container["command"]
    assert (shell, option) == ("/bin/sh", "-c")
    assert _shell(command, tmp_path, code) == seen


def _pod(project_root: Path) -> dict:
    job = yaml.safe_load((project_root / CRON).read_text())
    return job["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def test_the_cron_job_never_overlaps_and_ends_in_time(project_root: Path) -> None:
    job = yaml.safe_load((project_root / CRON).read_text())
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    assert re.fullmatch(r"(\S+ ){4}\S+", job["spec"]["schedule"])
    inner = job["spec"]["jobTemplate"]["spec"]
    assert inner["activeDeadlineSeconds"] > inner["template"]["spec"]["terminationGracePeriodSeconds"]
    pod = _pod(project_root)
    assert pod["restartPolicy"] == "Never", "with a failure policy nothing else is allowed"
    mounted = {one["name"] for one in pod["containers"][0]["volumeMounts"]}
    assert mounted == {one["name"] for one in pod["volumes"]}
