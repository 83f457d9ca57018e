"""Contents of a small real repository of DVC, with a folder as its remote."""

import shutil
import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo

from cu_pipeline.tracking.dvc_lock import dvc_md5
from cu_pipeline.tracking.reproduction import contents

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a repository whose file and folder are about to be replaced."""
    folder = tmp_path / "repo"
    (folder / "models" / "topic").mkdir(parents=True)
    (folder / "models" / "topic" / "bundle.json").write_text("{}")
    (folder / "tests.jsonl").write_text("one\n")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    with Repo.init(str(folder)) as repo, repo.config.edit() as config:
        config["remote"] = {"store": {"url": str(tmp_path / "remote")}}
        config["core"] = {"remote": "store"}
    return folder


def hashes(root: Path) -> dict[str, str]:
    return {name: str(dvc_md5(root / name)) for name in ("models", "tests.jsonl")}


def test_what_was_kept_comes_back_after_it_was_replaced(root: Path, tmp_path: Path) -> None:
    wanted = hashes(root)
    contents.keep(root, wanted)
    shutil.rmtree(root / "models")
    (root / "tests.jsonl").write_text("two\n")
    assert contents.bring(root, tmp_path / "again", wanted) == {}
    assert hashes(tmp_path / "again") == wanted


def test_a_copy_may_be_written_to_without_harm_to_the_cache(root: Path, tmp_path: Path) -> None:
    wanted = {"tests.jsonl": hashes(root)["tests.jsonl"]}
    contents.keep(root, wanted)
    for name in ("first", "second"):
        assert contents.bring(root, tmp_path / name, wanted) == {}
        with (tmp_path / name / "tests.jsonl").open("a") as stream:
            stream.write("more\n")
    assert (tmp_path / "second" / "tests.jsonl").read_text() == "one\nmore\n"


def test_what_the_cache_lacks_comes_out_of_the_remote_and_the_rest_is_named(root: Path, tmp_path: Path) -> None:
    wanted = hashes(root)
    contents.keep(root, wanted)
    (tmp_path / "remote").mkdir()
    cache = root / ".dvc" / "cache"
    shutil.move(cache / "files", tmp_path / "remote" / "files")
    gone = {"other.csv": "0" * 32}
    assert contents.bring(root, tmp_path / "again", wanted | gone) == gone
    assert hashes(tmp_path / "again") == wanted


def test_without_dvc_nothing_is_kept_and_all_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a")
    contents.keep(tmp_path, {"a.csv": "0" * 32})
    assert contents.bring(tmp_path, tmp_path / "again", {"a.csv": "0" * 32}) == {"a.csv": "0" * 32}
