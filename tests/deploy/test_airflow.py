"""The DAG of the loop in a real Airflow: `make test-airflow` installs it in an environment of its own."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.text_project import write_project

ROOT = Path(__file__).parents[2]
AIRFLOW = ROOT / ".venv-airflow" / "bin" / "airflow"
DAG = "cu_pipeline_iterate"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("CU_PIPELINE_AIRFLOW" not in os.environ, reason="takes minutes: `make test-airflow`"),
    pytest.mark.skipif(not AIRFLOW.exists(), reason="no .venv-airflow here: `make test-airflow` makes it"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a project whose environment is that of these tests."""
    folder = write_project(tmp_path_factory.mktemp("scheduled") / "project", ROOT)
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/activate").write_text(f'PATH="{Path(sys.executable).parent}:$PATH"\n')
    (folder.parent / "secrets.env").write_text(f'export PYTHONPATH="{folder / "src"}"\n')
    return folder


@pytest.fixture(scope="module")
def kedro(project: Path, project_environment: dict[str, str]) -> Callable[..., str]:
    environment = project_environment | {"PYTHONPATH": str(project / "src")}

    def run(*words: str) -> str:
        command = [Path(sys.executable).parent / "kedro", *words]
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    run("run")
    return run


@pytest.fixture(scope="module")
def turn(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Give a function that runs the DAG once, and gives the state that its task has then."""
    home = tmp_path_factory.mktemp("airflow")
    foreign = ("AIRFLOW", "PYTHON", "VIRTUAL_ENV", "KEDRO_", "MLFLOW_", "DVC_", "CU_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(foreign)} | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "deploy" / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_VAR_CU_PIPELINE_ROOT": str(project),
        "AIRFLOW_VAR_CU_PIPELINE_ENV": str(project.parent / "secrets.env"),
        "PATH": f"{AIRFLOW.parent}{os.pathsep}{os.environ['PATH']}",
    }

    def airflow(*words: str) -> None:
        done = subprocess.run([AIRFLOW, *words], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]

    airflow("db", "migrate")

    def run() -> str:
        airflow("dags", "test", DAG)
        with closing(sqlite3.connect(home / "airflow.db")) as database:
            rows = database.execute(
                "SELECT task_id, state FROM task_instance WHERE dag_id = ? ORDER BY start_date DESC", [DAG]
            ).fetchall()
        task, state = rows[0]
        assert task == "iterate"
        return str(state)

    return run


def test_a_turn_that_is_over_is_a_success(project: Path, kedro: Callable[..., str], turn: Callable[[], str]) -> None:
    assert turn() == "success"
    assert len((project / "data/08_reporting/iterations.jsonl").read_text().splitlines()) == 1
    assert "1" in kedro("iterate", "history")


def test_a_turn_that_people_hold_is_skipped(kedro: Callable[..., str], turn: Callable[[], str]) -> None:
    kedro("iterate", "hold", "--reason", "a holiday")
    assert turn() == "skipped"
