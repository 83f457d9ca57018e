"""An iteration whose questions go to a real Label Studio server, and an erasure there: `make test-label-studio`."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.servers.label_studio import ON_A_REAL_SERVER, TOKEN, Studio, serving
from tests.text_project import capture_traffic, topic_of, write_project

from cu_pipeline.core.paths import ROOT_VARIABLE

pytestmark = ON_A_REAL_SERVER

Kedro = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Path:
    folder = tmp_path_factory.mktemp("loop") / "project"
    return write_project(folder, project_root, people="label_studio", guards={"approval": False})


@pytest.fixture(scope="module")
def studio(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    (project / "data").mkdir()
    with serving(project / "data", tmp_path_factory.mktemp("studio")) as server:
        yield server


@pytest.fixture(scope="module")
def kedro(project: Path, studio: Studio, project_environment: dict[str, str]) -> Kedro:
    own = {ROOT_VARIABLE: str(project), "PYTHONPATH": str(project / "src")}
    server = {"LABEL_STUDIO_API_KEY": TOKEN, "LABEL_STUDIO_URL": studio.url}

    def run(*words: str, code: int = 0, known: bool = True) -> str:
        command = [str(Path(sys.executable).parent / "kedro"), *words]
        environment = project_environment | own | (server if known else {})
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
        assert TOKEN not in done.stdout + done.stderr
        return done.stdout

    run("run")
    return run


@pytest.fixture(scope="module")
def waiting(project: Path, kedro: Kedro) -> dict[str, str]:
    """Let an iteration wait for people; give clip -> topic of the traffic."""
    truth = capture_traffic(project)
    assert "clips wait for people: label them in Label Studio" in kedro("iterate", "--cause", "new words", code=3)
    return truth


def test_it_waits_for_annotators_and_goes_on_when_they_have_answered(
    project: Path, studio: Studio, kedro: Kedro, waiting: dict[str, str]
) -> None:
    assert "waits: " in kedro("iterate", "status")
    tasks = studio.tasks()
    for task in tasks[:10]:
        studio.annotate(task, topic=topic_of(task, waiting))
    assert f"{len(tasks) - 10} clips wait for people" in kedro("iterate", code=3)
    for task in tasks[10:]:
        studio.annotate(task, topic=topic_of(task, waiting))
    kedro("iterate")
    (line,) = [json.loads(text) for text in (project / "data/08_reporting/iterations.jsonl").read_text().splitlines()]
    assert line["outcome"] == "promoted", line
    assert line["effect"]["topic"]["fresh_clips"] >= 15
    assert len(studio.tasks()) == len(tasks), "nothing is asked twice"


def test_an_erased_clips_task_and_answers_go(
    project: Path, studio: Studio, kedro: Kedro, waiting: dict[str, str]
) -> None:
    before = {task["data"]["clip_id"]: task["id"] for task in studio.tasks()}
    clip = next(one for one in before if one in waiting)
    assert f"Label Studio {studio.url} cu-pipeline, where clips were sent" in kedro(
        "erase", "--clip", clip, known=False
    )
    kedro("erase", "--clip", clip, "--yes")
    assert {task["data"]["clip_id"] for task in studio.tasks()} == before.keys() - {clip}
    assert studio.get(f"/api/tasks/{before[clip]}").status_code == 404
    assert "nothing in any store" in kedro("erase", "--verify", "--clip", clip)
    studio.import_task({"clip_id": clip, "text": "sent again by somebody"})
    found = kedro("erase", "--verify", code=1)
    assert f"Label Studio {studio.url} cu-pipeline: task " in found
