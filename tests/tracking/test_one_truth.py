"""Parameters of a small project over runs, edits and `dvc repro`: which are in force, and what is said of it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cu_pipeline.tracking import params_file

pytestmark = pytest.mark.slow

BASE = Path("conf/base/parameters_make.yml")


class Tiny:
    """A small project, with Kedro's commands in one process and DVC's in their own."""

    def __init__(self, root: Path, environment: dict[str, str], commands: Path, source: Path) -> None:
        self.root, self._environment = root, environment
        logging = root / "conf" / "logging.yml"  # the server's answers are what its standard output is for
        logging.write_text(logging.read_text().replace("ext://sys.stdout", "ext://sys.stderr"))
        self._server = subprocess.Popen(
            [sys.executable, str(commands)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment | {"PYTHONPATH": f"{source}:{root / 'src'}"},
        )  # fmt: skip

    def run(self, *arguments: str) -> tuple[object, str]:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps({"arguments": arguments, "environment": {}}), file=self._server.stdin, flush=True)
        answer = json.loads(self._server.stdout.readline())
        return answer["code"], answer["shown"]

    def kedro(self, *arguments: str) -> str:
        code, shown = self.run(*arguments)
        assert code == 0, shown
        return shown

    def repro(self) -> str:
        done = subprocess.run(
            ["dvc", "repro"], cwd=self.root, env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def lock(self) -> str:
        return (self.root / "dvc.lock").read_text()

    def number(self) -> int:
        return json.loads((self.root / "data" / "number.json").read_text())["value"]

    def write(self, path: Path | str, text: str) -> None:
        (self.root / path).write_text(text)

    def close(self) -> None:
        self._server.communicate()


@pytest.fixture
def tiny(
    tmp_path: Path, new_project: Callable[[Path], Path], project_environment: dict[str, str], project_root: Path
) -> Iterator[Tiny]:
    commands = project_root / "tests" / "cli" / "commands.py"
    project = Tiny(new_project(tmp_path / "tiny"), project_environment, commands, project_root / "src")
    project.kedro("dvc-yaml")
    yield project
    project.close()


@pytest.mark.nightly
def test_an_edit_of_conf_goes_before_what_a_command_line_gave_also_for_dvc_repro(tiny: Tiny) -> None:
    tiny.kedro("run", "--params", "make.number=9,seed=5")
    tiny.write(BASE, "make:\n  number: 6\n")
    said = tiny.repro()
    assert "Running stage 'make'" in said
    assert "conf/ was edited: make.number=6 takes the place of 9 from a command line of " in said
    assert "this project runs with seed=5 from a command line of " in said
    assert tiny.number() == 6
    assert params_file.read(tiny.root) == {"seed": 5}
    assert "up to date" in tiny.repro()
    by_dvc = tiny.lock()
    tiny.kedro("run", "--params", "seed=5")
    assert tiny.lock() == by_dvc
    assert "seed=5 is dropped: conf/ has 3" in tiny.kedro("params", "drop", "seed")
    assert "Running stage 'make'" in tiny.repro()
    by_dvc = tiny.lock()
    tiny.kedro("run")
    assert tiny.lock() == by_dvc


@pytest.mark.nightly
def test_after_a_sweep_a_plain_run_is_with_conf_alone_and_says_what_it_leaves(tiny: Tiny) -> None:
    for number in (7, 8):
        said = tiny.kedro("run", "--pipelines=make", "--params", f"make.number={number}")
        assert "not in force" not in said
    assert "make.number  8          4           a command line of " in tiny.kedro("params")
    said = tiny.kedro("run", "--pipelines=use")
    assert "stored results rest on make.number=8 from a command line of " in said
    said = tiny.kedro("run")
    assert "make.number=8 from a command line of " in said
    assert "is not in force any more: this run takes conf/'s 4" in said
    assert tiny.number() == 4
    assert "All parameters are as conf/base says" in tiny.kedro("params")
    assert "make.number" not in tiny.kedro("run")
    assert "up to date" in tiny.repro()


@pytest.mark.nightly
def test_an_edit_of_conf_local_counts_for_dvc_repro_after_a_refresh(tiny: Tiny) -> None:
    tiny.write("conf/local/parameters.yml", "make:\n  number: 11\n")
    tiny.kedro("run")
    by_kedro = tiny.lock()
    assert tiny.kedro("params", "refresh") == ""
    assert "up to date" in tiny.repro()
    assert tiny.lock() == by_kedro
    tiny.write("conf/local/parameters.yml", "make:\n  number: 12\n")
    assert "conf/ was edited: make.number=12 takes the place of 11 from conf/local" in tiny.kedro("params", "refresh")
    assert "Running stage 'make'" in tiny.repro()
    assert tiny.number() == 12
    by_dvc = tiny.lock()
    tiny.kedro("run")
    assert tiny.lock() == by_dvc


def test_what_cannot_be_dropped_says_where_it_is_changed(tiny: Tiny) -> None:
    tiny.write("conf/local/parameters.yml", "make:\n  number: 11\n")
    tiny.kedro("params", "refresh")
    refused = {
        "drop": "or give --all",
        "drop make.numbr": "'make.numbr' is not from a command line: it is as conf/ says",
        "drop make.number": "conf/local states make.number: edit it there",
        "drop collect.manifest": "the project's feed stays until another is given",
    }
    for arguments, words in refused.items():
        code, shown = tiny.run("params", *arguments.split())
        assert code in {1, 2}
        assert words in shown
        assert "Traceback" not in shown
