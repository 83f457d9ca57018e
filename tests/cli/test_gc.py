"""`kedro gc` as it is typed, in a project that has its configuration and what the test puts there."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.kedro_commands import Kedro, kedro_commands

from cu_pipeline.tracking.run_lock import RunLock

pytestmark = pytest.mark.slow

LOG = "data/07_model_output/prediction_log"
NOTHING = "nothing to remove"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Path:
    folder = tmp_path_factory.mktemp("gc")
    for name in ("conf", "src"):
        shutil.copytree(project_root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(project_root / "pyproject.toml", folder)
    return folder


@pytest.fixture(scope="module")
def kedro(project: Path, project_environment: dict[str, str]) -> Iterator[Kedro]:
    environment = project_environment | {"PYTHONPATH": str(project / "src"), "CU_PIPELINE_ROOT": str(project)}
    with kedro_commands(project, environment) as run:
        yield run


def day(project: Path, name: str) -> Path:
    path = project / LOG / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x" * 1500)
    return path


def test_a_project_without_runs_has_nothing_to_remove(kedro: Kedro) -> None:
    for options in ([], ["--yes"]):
        code, shown = kedro("gc", *options)
        assert code == 0, shown
        assert NOTHING in shown


def test_it_shows_first_removes_when_told_to_and_then_finds_nothing(kedro: Kedro, project: Path) -> None:
    old = [day(project, f"2020-01-{number:02}") for number in range(1, 8)]
    code, shown = kedro("gc")
    assert code == 0, shown
    assert "days of the prediction log: 7, 10.5 kB" in shown
    assert "and 2 more; --all names them" in shown
    assert "10.5 kB would go. Remove them: kedro gc --yes" in shown
    assert old[6].name in kedro("gc", "--all")[1]
    assert all(path.is_file() for path in old)
    code, shown = kedro("gc", "--yes")
    assert code == 0, shown
    assert "removed 10.5 kB" in shown
    assert not any(path.exists() for path in old)
    assert NOTHING in kedro("gc", "--yes")[1]


def test_what_cannot_be_removed_is_named_and_the_next_call_finishes(kedro: Kedro, project: Path) -> None:
    stuck, other = project / LOG / "2020-02-01.jsonl", day(project, "2020-02-02")
    stuck.mkdir()  # which no unlink removes
    code, shown = kedro("gc", "--yes")
    assert code == 1, shown
    assert f"{LOG}/{stuck.name} could not be removed: " in shown
    assert "1 could not be removed: see above" in shown
    assert "Traceback" not in shown
    assert not other.exists()
    stuck.rmdir()
    assert NOTHING in kedro("gc", "--yes")[1]


def test_while_a_run_is_under_way_it_shows_and_removes_nothing(kedro: Kedro, project: Path) -> None:
    old = day(project, "2020-03-01")
    lock = RunLock(project)
    lock.acquire()
    try:
        code, shown = kedro("gc", "--yes")
        assert kedro("gc")[0] == 0
    finally:
        lock.release()
    assert code == 1
    assert f"another run holds {project / 'data/.lock'}: process {os.getpid()}" in shown
    assert old.is_file()
    assert kedro("gc", "--yes")[0] == 0
    assert not old.exists()


@pytest.mark.parametrize(("option", "words"), [("--nope", "No such option"), ("--env=nowhere", "'nowhere' is unknown")])
def test_an_option_that_is_wrong_is_named(kedro: Kedro, option: str, words: str) -> None:
    code, shown = kedro("gc", option)
    assert code in {1, 2}
    assert words in shown
    assert "Traceback" not in shown
