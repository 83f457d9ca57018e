"""One whole iteration in a project of its own, by its commands: it waits for a file of answers and goes on with it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from cu_pipeline.core.caption_text import clean_caption
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.inference.prediction_log import LogOptions, PredictionLog, PredictionRecord, encode_embedding
from cu_pipeline.ingest.capture_store import CaptureStore

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

PARAMETERS = {
    "capabilities": {"topic": {"classes": ["cooking", "sport"]}},
    "collect": {"manifest": "texts.csv", "split": {"train": 0.5, "validation": 0.2, "test": 0.3}},
    "label": {"llm": {"enabled": False}, "rules": []},
    "train": {"family": "linear"},
    "evaluate": {"bootstrap_draws": 100, "insights": {"learning_curve": {"seconds": 0}}},
    "iterate": {
        "people": "files",
        "choose": {"max_clips": 60, "least_clips": 20, "test_share": 0.5, "per_unit": 2},
        "guards": {"approval": True},
    },
    "compute": {"workers": 1},
}
OLD = {"cooking": "a stew that simmers", "sport": "the goal of the match"}
NEW = {"cooking": "the goal of this plate, a match of spices", "sport": "a stew of players that simmers on the pitch"}
"""Topic -> words that the champion takes for the other one's."""


def word(number: int) -> str:
    return f"part {number} of {number * 7919 % 1000}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Path:
    folder = tmp_path_factory.mktemp("loop") / "project"
    for name in ("src", "conf"):
        shutil.copytree(project_root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "local"))
    for name in (
        "pyproject.toml",
        "dvc.yaml",
        "image.lock",
        "bentofile.yaml",
        "constraints.txt",
        "weights.txt",
        "README.md",
    ):
        shutil.copy(project_root / name, folder)
    (folder / "conf/local").mkdir()
    (folder / "conf/local/parameters.yml").write_text(yaml.safe_dump(PARAMETERS))
    topics = ["cooking", "sport"]
    rows = [
        {"clip_id": f"t{number}", "text": f"{OLD[topics[number % 2]]}, {word(number)}", "creator": f"writer {number}"}
        | {"label": topics[number % 2]}
        for number in range(120)
    ]
    pd.DataFrame(rows).to_csv(folder / "texts.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def kedro(project: Path, project_environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    environment = project_environment | {ROOT_VARIABLE: str(project), "PYTHONPATH": str(project / "src")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "kedro"), *arguments]
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)

    done = run("run")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return run


def captured(project: Path, number: int = 200) -> dict[str, str]:
    """Have the service see texts in new words; give clip -> topic."""
    served = yaml.safe_load((project / "data/06_models/champions/topic/bundle.json").read_text())["version"]
    store = CaptureStore(project / "data/01_raw/capture")
    log = PredictionLog.open(str(project / "data/07_model_output/prediction_log"), LogOptions(), None)
    truth = {}
    for place in range(number):
        topic = ["cooking", "sport"][place % 2]
        caption = f"{NEW[topic]}, {word(place)}"
        told = {"clip_id": f"new{place}", "creator": f"newcomer {place}"}
        store.keep(f"r{place}", None, "", caption, told)
        record = PredictionRecord(
            time=datetime.now(UTC),
            request_id=f"r{place}",
            labels={"topic": "cooking"},
            probabilities={"topic": {"cooking": 0.6, "sport": 0.4}},
            versions={"topic": served},
            embedding=encode_embedding(np.random.default_rng(place).normal(size=4)),
            parts={"captions": 4},
            facts={},
            clip_id=told["clip_id"],
            creator=told["creator"],
            text_sha256=text_sha256(clean_caption(caption)),
        )
        assert log.append(record)
        truth[told["clip_id"]] = topic
    log.close()
    return truth


def answers(tasks: list[dict[str, Any]], truth: dict[str, str]) -> list[dict[str, Any]]:
    """What Label Studio exports when somebody has answered all tasks."""
    return [
        {**task, "id": number, "annotations": [_annotation(number, task, truth)]}
        for number, task in enumerate(tasks, 1)
    ]


def _annotation(number: int, task: dict[str, Any], truth: dict[str, str]) -> dict[str, Any]:
    right = truth.get(task["data"]["clip_id"]) or ("sport" if "goal" in task["data"]["text"] else "cooking")
    choice = {"from_name": "label_topic", "to_name": "caption", "type": "choices", "value": {"choices": [right]}}
    moment = datetime.now(UTC).isoformat()
    return {"id": number, "completed_by": {"email": "ann@example.com"}, "updated_at": moment, "result": [choice]}


def test_it_waits_for_a_file_of_answers_and_for_approval_and_ends_in_a_promotion(project: Path, kedro: Any) -> None:
    truth = captured(project)
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
