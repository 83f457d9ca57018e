import subprocess
from pathlib import Path

import pytest

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.tracking.reproduction import code_changes


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a repository with code, settings and a table that runs write."""
    folder = tmp_path / "repo"
    for name, text in {
        "src/a.py": "one\n",
        "conf/base/p.yml": "a: 1\n",
        "dvc.lock": "x\n",
        ".gitignore": "*secret*\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "start")
    return folder


def test_changed_and_new_code_comes_back_in_another_checkout(root: Path, tmp_path: Path) -> None:
    (root / "src" / "a.py").write_text("two\n")
    (root / "src" / "weights.bin").write_bytes(bytes(range(256)))
    (root / "conf" / "mine").mkdir()
    (root / "conf" / "mine" / "p.yml").write_text("a: 2\n")
    changes = code_changes.patch(root)
    git(tmp_path, "clone", "-q", str(root), "other")
    code_changes.apply(tmp_path / "other", changes)
    for name in ("src/a.py", "src/weights.bin", "conf/mine/p.yml"):
        assert (tmp_path / "other" / name).read_bytes() == (root / name).read_bytes()


def test_records_of_runs_and_what_git_ignores_are_no_changes_of_the_code(root: Path) -> None:
    (root / "dvc.lock").write_text("y\n")
    (root / "conf" / "base" / "secret.yml").write_text("key: 1\n")
    assert code_changes.patch(root) == b""


def test_outside_git_there_are_no_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "src").mkdir()
    assert code_changes.patch(tmp_path / "src") == b""


def test_changes_of_other_code_are_refused(root: Path, tmp_path: Path) -> None:
    (root / "src" / "a.py").write_text("two\n")
    changes = code_changes.patch(root)
    git(tmp_path, "clone", "-q", str(root), "other")
    (tmp_path / "other" / "src" / "a.py").write_text("three\n")
    with pytest.raises(ConfigurationError, match="uncommitted changes"):
        code_changes.apply(tmp_path / "other", changes)
