"""The round trip through a real Label Studio server, which `make label-studio` installs."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.servers.label_studio import ON_A_REAL_SERVER, TOKEN, Studio, serving

ROOT = Path(__file__).parents[3]
RUN = ("kedro", "run", "--params=collect.sample.clips=48,collect.sample.near_duplicates=0,label.llm.enabled=false")

pytestmark = ON_A_REAL_SERVER


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people") / "project"
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info", "cache", "tmp", "local", "config.local")
    for name in ("src", "conf", ".dvc"):
        shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
    for name in ("pyproject.toml", "dvc.yaml", "params.yaml", "image.lock", ".dvcignore", ".gitignore", ".telemetry"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "conf" / "local").mkdir(exist_ok=True)
    (folder / "data").mkdir()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def studio(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with serving(project / "data", tmp_path_factory.mktemp("studio")) as server:
        yield server


@pytest.fixture(scope="module")
def shell(project: Path, studio: Studio, project_environment: dict[str, str]) -> Callable[..., str]:
    """Give a function that runs a command in the project and gives what it says."""
    connection = {"LABEL_STUDIO_API_KEY": TOKEN, "PYTHONPATH": str(project / "src")}

    def run(*command: str, url: str = studio.url, fails: bool = False) -> str:
        done = subprocess.run(
            command,
            cwd=project,
            env=project_environment | connection | {"LABEL_STUDIO_URL": url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert bool(done.returncode) is fails, done.stdout
        assert TOKEN not in done.stdout
        return done.stdout

    return run


def test_clips_go_to_people_and_their_answers_become_annotations(
    project: Path, studio: Studio, shell: Callable[..., str]
) -> None:
    shell(*RUN, "--pipelines=collect,label")
    assert "0 clips sent" not in shell("kedro", "labels", "push")
    assert "0 clips sent" in shell("kedro", "labels", "push")
    tasks = studio.tasks()
    clips = [task["data"]["clip_id"] for task in tasks]
    assert len(set(clips)) == len(clips) > 0

    video = studio.get(tasks[0]["data"]["video"])
    assert (video.status_code, video.headers["content-type"]) == (200, "video/mp4")
    private = studio.get("/data/local-files/", d="01_raw/people_batches.jsonl")
    assert private.status_code == 404

    truth = {item["clip_id"]: item["gold"] for item in _items(project) if item["draw"] == "gold"}
    answers = {
        task["id"]: studio.annotate(
            task, topic=truth.get(task["data"]["clip_id"], {}).get("topic", "pets"), safety="none"
        )
        for task in tasks
    }
    said = f"{len(tasks)} answered, 0 skipped, 0 deleted"
    assert said in shell("kedro", "labels", "pull")
    assert "0 answered, 0 skipped, 0 deleted" in shell("kedro", "labels", "pull")

    studio.send("DELETE", f"/api/annotations/{answers[tasks[0]['id']]}/")
    assert "0 answered, 0 skipped, 1 deleted" in shell("kedro", "labels", "pull")
    assert "answers are missing" in shell("kedro", "labels", "status")
    studio.annotate(tasks[0], topic="pets", safety="none")
    assert "1 answered, 0 skipped, 0 deleted" in shell("kedro", "labels", "pull")
    batch = _batch(project)
    shell("kedro", "labels", "accept", batch, "--reason", "a test")

    shell(*RUN, "--pipelines=collect,label")
    annotations = pd.read_parquet(project / "data/02_intermediate/annotations.parquet")
    pulled = annotations[annotations["annotator"] == "ana@example.com"]
    asked = {item["clip_id"] for item in _items(project)}
    assert set(pulled["clip_id"]) == asked
    assert set(pulled["kind"]) == {"human"}
    assert {"random", "value"} <= set(pulled["draw"])


def test_media_in_folders_outside_the_project_are_shown(
    project: Path, studio: Studio, shell: Callable[..., str], tmp_path: Path
) -> None:
    clips = sorted((project / "data/01_raw").rglob("*.mp4"))[:8]
    rows = ["path,text,label_topic"]
    for place, clip in enumerate(clips):
        target = tmp_path / "videos" / f"folder {place % 2}" / f"ü#{place}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, target)
        rows.append(f"{target},words,{['pets', 'cooking', '', ''][place % 4]}")
    feed = tmp_path / "feed.csv"
    feed.write_text("\n".join(rows) + "\n")
    shell(
        *RUN[:2], f"--params=collect.manifest={feed},label.llm.enabled=false", "--replace", "--pipelines=collect,label"
    )
    (tmp_path / "videos" / "folder 0" / "ü#2.mp4").unlink()

    assert "give label.studio.project another title" in shell("kedro", "labels", "push", fails=True)
    (project / "conf/local/parameters.yml").write_text("label: {studio: {project: folders}}\n")
    assert "Start it again with `make label-studio`" in shell("kedro", "labels", "push", fails=True)
    assert studio.tasks("folders") == []
    root = Path(shell("kedro", "labels", "media-root").strip())
    assert root == tmp_path / "videos"
    (tmp_path / "studio").mkdir()
    with serving(root, tmp_path / "studio") as other:
        pushed = shell("kedro", "labels", "push", url=other.url)
        assert "1 clips are left out, since their media are not there" in pushed
        assert "ü#2.mp4" in pushed
        videos = [task["data"]["video"] for task in other.tasks("folders")]
        assert len(videos) >= 3
        assert {other.get(video).status_code for video in videos} == {200}


def _items(project: Path) -> list[dict[str, Any]]:
    from cu_pipeline.labeling.people.work_log import batch_log

    events = batch_log(project / "data/01_raw/people_batches.jsonl").read()
    return [item.model_dump(mode="json") for item in events[0].items]


def _batch(project: Path) -> str:
    from cu_pipeline.labeling.people.work_log import batch_log

    return str(batch_log(project / "data/01_raw/people_batches.jsonl").read()[0].batch)
