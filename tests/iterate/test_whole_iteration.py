"""One whole iteration in a project of its own, by its commands: it waits for a file of answers and goes on with it."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.text_project import capture_traffic, topic_of, write_project

from cu_pipeline.core.paths import ROOT_VARIABLE

pytestmark = [pytest.mark.slow, pytest.mark.nightly]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Path:
    return write_project(tmp_path_factory.mktemp("loop") / "project", project_root)


@pytest.fixture(scope="module")
def kedro(project: Path, project_environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    environment = project_environment | {ROOT_VARIABLE: str(project), "PYTHONPATH": str(project / "src")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "kedro"), *arguments]
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)

    done = run("run")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return run


def answers(tasks: list[dict[str, Any]], truth: dict[str, str]) -> list[dict[str, Any]]:
    """What Label Studio exports when somebody has answered all tasks."""
    return [
        {**task, "id": number, "annotations": [_annotation(number, task, truth)]}
        for number, task in enumerate(tasks, 1)
    ]


def _annotation(number: int, task: dict[str, Any], truth: dict[str, str]) -> dict[str, Any]:
    right = {"choices": [topic_of(task, truth)]}
    choice = {"from_name": "label_topic", "to_name": "caption", "type": "choices", "value": right}
    moment = datetime.now(UTC).isoformat()
    return {"id": number, "completed_by": {"email": "ann@example.com"}, "updated_at": moment, "result": [choice]}


def test_it_waits_for_a_file_of_answers_and_for_approval_and_ends_in_a_promotion(project: Path, kedro: Any) -> None:
    assert "since the service keeps none" in kedro("iterate", "--dry-run", "--cause", "new words").stdout
    truth = capture_traffic(project)
    assert "clips that the service keeps would be labelled" in kedro("iterate", "--dry-run", "--cause", "new").stdout
    waits = kedro("iterate", "--cause", "new words")
    assert waits.returncode == 3, waits.stdout[-3000:] + waits.stderr[-3000:]
    assert "clips wait for people" in waits.stdout
    assert kedro("iterate").returncode == 3, "nobody has answered"

    tasks = json.loads((project / "data/08_reporting/label_tasks.json").read_text())
    asked = [task["data"]["clip_id"] for task in tasks]
    assert 40 < sum(clip.startswith("new") for clip in asked) <= 60
    (project / "answers.json").write_text(json.dumps(answers(tasks, truth)))
    taken = kedro("labels", "import", "answers.json")
    assert taken.returncode == 0, taken.stdout + taken.stderr

    held = kedro("iterate")
    assert held.returncode == 4, held.stdout[-3000:] + held.stderr[-3000:]
    assert "a person must approve" in held.stdout
    assert kedro("iterate", "approve", "--reason", "looks good").returncode == 0
    done = kedro("iterate")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (line,) = [json.loads(text) for text in (project / "data/08_reporting/iterations.jsonl").read_text().splitlines()]
    assert (line["outcome"], line["cause"]["kind"]) == ("promoted", "by_hand")
    effect = line["effect"]["topic"]
    assert effect["serves"] == effect["challenger"] != effect["champion"]
    assert effect["fresh_clips"] >= 15
    served = json.loads((project / "data/06_models/champions/topic/bundle.json").read_text())
    assert served["version"] == effect["challenger"]
    clips = pd.read_parquet(project / "data/02_intermediate/clips.parquet")
    assert (clips["feed"] == "served").sum() == sum(clip.startswith("new") for clip in asked)
    shown = kedro("iterate", "history").stdout
    assert "promoted" in shown
