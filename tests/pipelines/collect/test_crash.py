"""Runs of the collect pipeline that are killed, and runs that meet."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
POINTS = int(os.environ.get("CU_TEST_CRASH_POINTS", "2"))
"""How many random moments are tried."""

TABLES = (
    "data/01_raw/manifest.parquet",
    "data/02_intermediate/clips.parquet",
    "data/02_intermediate/annotations.parquet",
    "data/02_intermediate/duplicates.parquet",
    "data/02_intermediate/splits.parquet",
    "data/08_reporting/rejects.csv",
    "data/08_reporting/leakage.json",
)
COMMAND = ["kedro", "run", "--pipelines=collect", "--params=collect.sample.clips=7,collect.sample.near_duplicates=0.5"]


class Project:
    """A copy of this project in which collect runs in its own process."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._environment = environment | {"PYTHONPATH": str(folder / "src")}
        unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info", "cache", "tmp", "local", "config.local")
        for name in ("src", "conf", ".dvc"):
            shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
        for name in ("pyproject.toml", "dvc.yaml", "params.yaml", ".dvcignore", ".gitignore", ".telemetry"):
            shutil.copy(ROOT / name, folder / name)
        (folder / "conf" / "local").mkdir(exist_ok=True)
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            COMMAND,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self) -> str:
        process = self.start()
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output
        return output

    def tables(self) -> dict[str, bytes]:
        return {name: (self.folder / name).read_bytes() for name in TABLES}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, project_environment: dict[str, str]) -> Project:
    return Project(tmp_path_factory.mktemp("crash") / "project", project_environment)


@pytest.fixture(scope="module")
def undisturbed(project: Project) -> tuple[dict[str, bytes], float]:
    """Give the tables of a run that nothing disturbed, and its seconds."""
    started = time.perf_counter()
    project.run()
    return project.tables(), time.perf_counter() - started


@pytest.mark.parametrize("point", range(POINTS))
def test_after_kill_9_the_next_run_completes_the_same_bytes(
    project: Project, undisturbed: tuple[dict[str, bytes], float], point: int
) -> None:
    tables, seconds = undisturbed
    shutil.rmtree(project.folder / "data")
    process = project.start()
    share = (point + random.Random(point).random()) / POINTS
    time.sleep(share * seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    project.run()
    assert project.tables() == tables


def test_a_second_run_at_once_stops_and_says_who_runs(project: Project) -> None:
    owner = project.folder / "data" / ".lock.json"
    first = project.start()
    while not owner.is_file():
        assert first.poll() is None, first.communicate()[0]
        time.sleep(0.05)
    first.send_signal(signal.SIGSTOP)
    try:
        second = project.start()
        output, _ = second.communicate(timeout=600)
    finally:
        first.send_signal(signal.SIGCONT)
    assert second.returncode == 1
    assert "RunInProgressError" in output
    assert f"process {first.pid}" in output
    assert "Traceback" not in output
    output, _ = first.communicate(timeout=600)
    assert first.returncode == 0, output
