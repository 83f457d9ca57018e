"""`kedro predict` in a project that has nothing but its configuration and pulled models."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

FEED = [
    {"clip_id": "a", "path": "clip.mp4", "text": "a stew", "label_topic": "no such class"},
    {"clip_id": "b", "path": "", "text": "a goal", "label_topic": ""},
    {"clip_id": "c", "path": "absent.mp4", "text": "lost", "label_topic": ""},
]


@pytest.fixture
def project(tmp_path, project_root, make_bundle, encode):
    """Give a project with two champions and a feed of three rows, of which one has no file."""
    shutil.copytree(project_root / "conf", tmp_path / "conf")
    shutil.copy(project_root / "pyproject.toml", tmp_path)
    shutil.copytree(project_root / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("topic", "safety"):
        make_bundle(name).save(tmp_path / "data/06_models/champions" / name)
    encode()
    pd.DataFrame(FEED).to_csv(tmp_path / "feed.csv", index=False)
    return tmp_path


@pytest.fixture
def kedro(project, project_environment):
    def run(*arguments):
        environment = project_environment | {"CU_PIPELINE_ROOT": str(project)}
        command = [Path(sys.executable).parent / "kedro", *arguments]
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.slow
def test_a_feed_is_predicted_once_and_what_is_refused_is_listed(project, kedro):
    command = ("predict", "--feed", "feed.csv", "--output", "out/answers.parquet")
    code, shown = kedro(*command)
    assert code == 0, shown
    assert "2 clips, 4 rows (0 kept, 4 new)" in shown
    assert "1 row refused (missing 1): out/answers.rejects.csv" in shown
    rows = pd.read_parquet(project / "out/answers.parquet")
    assert rows[["clip_id", "capability"]].to_numpy().tolist() == [
        ["a", "safety"], ["a", "topic"], ["b", "safety"], ["b", "topic"],
    ]  # fmt: skip
    assert sum(json.loads(rows["probabilities"].iloc[0]).values()) == pytest.approx(1)
    assert pd.read_csv(project / "out/answers.rejects.csv")["clip_id"].tolist() == ["c"]
    first = (project / "out/answers.parquet").read_bytes()

    code, shown = kedro(*command)
    assert code == 0, shown
    assert "2 clips, 4 rows (4 kept, 0 new)" in shown
    assert "0 clips decoded" in shown
    assert (project / "out/answers.parquet").read_bytes() == first
    assert not (project / "mlruns").exists()
    assert not (project / "data/02_intermediate/clips.parquet").exists()
    assert not (project / "data/01_raw/manifest.parquet").exists()


@pytest.mark.slow
def test_what_cannot_be_predicted_ends_in_words_and_leaves_the_output(project, kedro):
    (project / "mine.parquet").write_text("something else")
    code, shown = kedro("predict", "--feed", "feed.csv", "--output", "mine.parquet")
    assert (code, (project / "mine.parquet").read_text()) == (1, "something else")
    assert "is no table of predictions" in shown
    assert "Traceback" not in shown
    (project / "bad.csv").write_text("clip_id,path\nx,absent.mp4\n")
    code, shown = kedro("predict", "--feed", "bad.csv", "--output", "out.parquet")
    assert (code, (project / "out.parquet").exists()) == (1, False)
    assert "holds no usable clip: out.rejects.csv says why" in shown
    assert pd.read_csv(project / "out.rejects.csv")["reason"].tolist() == ["missing"]
