"""Code, data and parameters of a run of a small real repository, brought together in a folder."""

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from dvc.repo import Repo

from cu_pipeline.core.errors import ReproductionError
from cu_pipeline.tracking.dvc_lock import dvc_md5
from cu_pipeline.tracking.reproduction import code_changes, contents
from cu_pipeline.tracking.reproduction.environment import Environment
from cu_pipeline.tracking.reproduction.folder import prepare
from cu_pipeline.tracking.reproduction.record import DataUsed, RunRecord, StageData
from cu_pipeline.tracking.reproduction.runs import Recorded

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    done = subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a project with code, settings, a feed, media, a table of clips and models that serve."""
    folder = tmp_path / "project"
    texts = {
        "src/a.py": "one\n",
        "conf/base/parameters.yml": "seed: 1\n",
        "params.yaml": "collect: {manifest: other.csv}\n",
        "dvc.lock": "stages: {}\n",
        ".gitignore": "/data\nconf/local\n",
        "data/media/a.mp4": "film",
        "data/feed.csv": "path\n",
        "data/champions": "first\n",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    pd.DataFrame({"path": ["data/media/a.mp4", "/elsewhere/b.mp4", ""]}).to_parquet(folder / "data" / "clips.parquet")
    git(folder, "init", "-q", "-b", "main")
    Repo.init(str(folder)).close()
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "start")
    return folder


@pytest.fixture
def recorded(root: Path) -> Recorded:
    """Give a run of it, after which code and served models were changed."""
    before = {name: str(dvc_md5(root / name)) for name in ("data/clips.parquet", "data/champions")}
    contents.keep(root, before)
    (root / "src" / "a.py").write_text("uncommitted\n")
    stages = {
        "collect": StageData(writes={"data/clips.parquet": before["data/clips.parquet"]}),
        "train": StageData(
            reads={"data/clips.parquet": before["data/clips.parquet"]},
            earlier={"data/champions": before["data/champions"], "data/tests.jsonl": None},
            writes={"data/model": "0" * 32},
        ),
    }
    parameters = {"seed": 7, "collect": {"manifest": ["data/feed.csv", "folder:/srv/clips"]}}
    record = RunRecord(
        parameters=parameters,
        data=DataUsed(stages=stages),
        environment=Environment(),
        patch=code_changes.patch(root),
    )
    (root / "src" / "a.py").write_text("two\n")
    (root / "data" / "champions").write_text("second\n")
    return Recorded("4afe", "lifecycle", datetime.now(UTC), git(root, "rev-parse", "HEAD"), "local", record)


def test_code_data_and_parameters_are_those_of_the_run(root: Path, recorded: Recorded, tmp_path: Path) -> None:
    project = prepare(root, recorded, ["train"], tmp_path / "again")
    assert (project / "src" / "a.py").read_text() == "uncommitted\n"
    assert (project / "data" / "champions").read_text() == "first\n"
    assert not (project / "data" / "tests.jsonl").exists()
    assert not {"params.yaml", "dvc.lock"} & {path.name for path in project.iterdir()}
    stated = json.loads((project / "conf" / "local" / "parameters.yml").read_text())
    assert stated == {"seed": 7, "collect": {"manifest": [str(root / "data" / "feed.csv"), "folder:/srv/clips"]}}


def test_media_are_read_where_they_lie_unless_they_are_made_anew(
    root: Path, recorded: Recorded, tmp_path: Path
) -> None:
    project = prepare(root, recorded, ["train"], tmp_path / "again")
    assert (project / "data" / "media" / "a.mp4").read_text() == "film"
    project = prepare(root, recorded, ["collect", "train"], tmp_path / "again")
    assert not (project / "data" / "media").exists()
    assert not (project / "data" / "clips.parquet").exists()
    assert (root / "data" / "media" / "a.mp4").read_text() == "film"


def test_what_is_gone_from_cache_and_remote_is_named(root: Path, recorded: Recorded, tmp_path: Path) -> None:
    with Repo(str(root)) as repo:
        md5 = recorded.record.data.stages["train"].reads["data/clips.parquet"]
        Path(repo.cache.local.oid_to_path(md5)).unlink()
    with pytest.raises(ReproductionError, match=r"(?s)neither in DVC's cache.*data/clips\.parquet.*--all"):
        prepare(root, recorded, ["train"], tmp_path / "again")


def test_a_commit_that_git_does_not_know_is_named(root: Path, recorded: Recorded, tmp_path: Path) -> None:
    with pytest.raises(ReproductionError, match="does not know commit 1111"):
        prepare(root, replace(recorded, commit="1" * 40), ["train"], tmp_path / "again")


def test_a_folder_of_something_else_is_left_alone(root: Path, recorded: Recorded, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(ReproductionError, match="holds other things"):
        prepare(root, recorded, ["train"], tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"
