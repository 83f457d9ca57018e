"""What DVC keeps of a small real repository: all that a commit, a stash or the working folder names stays."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dvc.repo import Repo

from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.features.table import FeatureOptions
from cu_pipeline.tracking.retention.cache import cache
from cu_pipeline.tracking.retention.project import Project, Removable, RetentionOptions

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")

FILE = "table.csv"


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def write(root: Path, text: str) -> Path:
    """Let DVC take a version of the file in, and give its place in the cache."""
    (root / FILE).unlink(missing_ok=True)
    (root / FILE).write_text(text)
    with Repo(str(root)) as repo:
        (stage,) = repo.add(str(root / FILE))
        return Path(repo.cache.local.oid_to_path(stage.outs[0].hash_info.value))


def commit(root: Path, text: str) -> Path:
    place = write(root, text)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", text)
    return place


def found(root: Path, *, later: int = 100) -> list[Removable]:
    now = datetime.now(UTC) + timedelta(days=later)
    return list(cache(Project(root, RetentionOptions(), {}, FeatureOptions(), root / "bento", now)))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a repository of git and DVC whose MLflow has no runs."""
    folder = tmp_path / "repo"
    folder.mkdir()
    monkeypatch.setenv(ROOT_VARIABLE, str(folder))
    monkeypatch.setattr("cu_pipeline.tracking.retention.cache.kept_runs", lambda _: [])
    git(folder, "init", "-q", "-b", "main")
    Repo.init(str(folder)).close()
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "start")
    return folder


def test_what_a_commit_a_branch_a_stash_or_the_working_folder_names_stays(root: Path) -> None:
    kept = [commit(root, "first"), commit(root, "second")]
    git(root, "checkout", "-q", "-b", "side")
    kept.append(commit(root, "on a branch"))
    git(root, "checkout", "-q", "main")
    for text in ("stashed first", "stashed last"):
        kept.append(write(root, text))
        git(root, "stash")
    unused = write(root, "nobody named it")
    kept.append(write(root, "at work"))
    assert found(root, later=1) == []
    gone = found(root)
    assert [one.what for one in gone] == [unused.relative_to(root).as_posix()]
    gone[0].remove()
    assert not unused.exists()
    assert all(path.is_file() for path in kept)
    assert found(root) == []


def test_what_a_folder_holds_stays_with_it_and_goes_after_its_list(root: Path) -> None:
    def folder(name: str) -> None:
        (root / "many").mkdir(exist_ok=True)
        (root / "many" / name).write_text(name)
        with Repo(str(root)) as repo:
            repo.add(str(root / "many"))

    folder("a")
    shutil.rmtree(root / "many")
    folder("b")
    gone = found(root)
    assert [one.what.endswith(".dir") for one in gone] == [True, False]
    gone[0].remove()  # and no further, as where the process is killed
    (left,) = found(root)
    left.remove()
    assert found(root) == []
    shutil.rmtree(root / "many")
    with Repo(str(root)) as repo:
        repo.checkout()
    assert (root / "many" / "b").read_text() == "b"


def test_nothing_goes_while_git_does_not_answer(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    commit(root, "first")
    unused = write(root, "nobody named it")
    write(root, "at work")
    assert len(found(root)) == 1
    (root / ".git/refs/heads/main").write_text("0123456789" * 4 + "\n")  # a commit that is not there
    assert found(root) == []
    assert "DVC's cache is kept" in caplog.text
    assert unused.is_file()


def test_a_folder_without_dvc_has_no_cache(tmp_path: Path) -> None:
    assert found(tmp_path) == []
