"""The virtual environment of a project that was moved or copied."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give a project whose environment has one command, which tells where its environment and its code are."""
    folder = tmp_path / "pröject (1)"
    (folder / "src" / "pack").mkdir(parents=True)
    (folder / "src" / "pack" / "__init__.py").touch()
    environment = folder / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "__editable__.pack.pth").write_text(f"{folder}/src\n")
    command = environment / "bin" / "tell"
    command.write_text(
        f"#!/bin/sh\n'''exec' \"{environment}/bin/python\" \"$0\" \"$@\"\n' '''\n"
        "import sys, pack\nprint(sys.prefix, pack.__file__, sep='\\n')\n"
    )
    command.chmod(0o755)
    return folder


def relocate(folder: Path) -> str:
    command = [sys.executable, str(ROOT / ".ci" / "relocate.py"), ".venv", ".venv-viz"]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def told(folder: Path) -> list[str]:
    return subprocess.run([folder / ".venv/bin/tell"], check=True, capture_output=True, text=True).stdout.splitlines()


def test_a_copys_commands_run_its_own_code_and_the_originals_stay(project, tmp_path):
    (tmp_path / "other").mkdir()
    copied = Path(shutil.copytree(project, tmp_path / "other" / "place", symlinks=True))
    assert told(copied) == [str(project / ".venv"), str(project / "src/pack/__init__.py")]
    assert str(project / ".venv") in relocate(copied)
    assert told(copied) == [str(copied / ".venv"), str(copied / "src/pack/__init__.py")]
    assert told(project) == [str(project / ".venv"), str(project / "src/pack/__init__.py")]
    assert str(project) not in (copied / ".venv/bin/activate").read_text()
    assert relocate(copied) == relocate(project) == ""


def test_a_moved_projects_commands_run(project, tmp_path):
    moved = project.rename(tmp_path / "moved")
    with pytest.raises(subprocess.CalledProcessError):
        told(moved)
    relocate(moved)
    assert told(moved) == [str(moved / ".venv"), str(moved / "src/pack/__init__.py")]
