"""Whole `kedro run` processes of collect: two that meet, and one that is killed."""

import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
TABLES = (
    "data/01_raw/manifest.parquet",
    "data/02_intermediate/clips.parquet",
    "data/02_intermediate/feed_annotations.parquet",
    "data/02_intermediate/duplicates.parquet",
    "data/02_intermediate/splits.parquet",
    "data/08_reporting/rejects.csv",
    "data/08_reporting/leakage.json",
    "dvc.lock",
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

    def start(self, command: list[str] = COMMAND) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def start_until(self, name: str) -> subprocess.Popen[str]:
        """Start a run and give it when it has made a file."""
        process = self.start()
        while not (self.folder / name).is_file():
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.02)
        return process

    def tables(self) -> dict[str, bytes]:
        return {name: (self.folder / name).read_bytes() for name in TABLES}


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    return output


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, project_environment: dict[str, str]) -> Project:
    return Project(tmp_path_factory.mktemp("processes") / "project", project_environment)


@pytest.fixture(scope="module")
def meeting(project: Project) -> tuple[int, int, str]:
    """Start a run while another is under way; give the first's process, the second's exit code and output."""
    first = project.start_until("data/.lock.json")
    first.send_signal(signal.SIGSTOP)
    try:
        second = project.start()
        output, _ = second.communicate(timeout=600)
    finally:
        first.send_signal(signal.SIGCONT)
    finish(first)
    return first.pid, second.returncode, output


def test_a_second_run_at_once_stops_and_says_who_runs(meeting: tuple[int, int, str]) -> None:
    first, status, output = meeting
    assert status == 1
    assert "RunInProgressError" in output
    assert f"process {first}" in output
    assert "Traceback" not in output


@pytest.mark.usefixtures("meeting")
def test_after_kill_9_the_next_run_completes_the_same_bytes(project: Project) -> None:
    undisturbed = project.tables()
    shutil.rmtree(project.folder / "data")
    (project.folder / "dvc.lock").unlink()
    process = project.start_until("data/02_intermediate/probes.jsonl")
    process.kill()
    process.communicate()
    stray = project.folder / "data" / "02_intermediate" / ".clips.parquet.abcdefgh.tmp"
    stray.touch()
    output = finish(project.start())
    assert project.tables() == undisturbed
    assert not stray.exists()
    assert re.search(r"clips_rendered +0\n", output)
    listed = finish(project.start(["kedro", "snapshots", "--json"]))
    (snapshot,) = json.loads(listed[listed.index("[\n") :])
    assert snapshot["run"]
    assert snapshot["counts"]["clips"] == sum(snapshot["counts"][split] for split in ("train", "validation", "test"))
