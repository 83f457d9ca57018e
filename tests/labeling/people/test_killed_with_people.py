"""The loop, killed while it sends, fetches, trains, judges and delivers, with a real Label Studio server."""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from tests.servers.label_studio import ON_A_REAL_SERVER, TOKEN, Studio, serving
from tests.servers.watched_requests import Moment, Watched, watched
from tests.text_project import capture_traffic, topic_of, write_project

from cu_pipeline.core.paths import ROOT_VARIABLE

pytestmark = ON_A_REAL_SERVER

KEDRO = str(Path(sys.executable).parent / "kedro")
MOMENTS = ("started", "ended", "time", "seconds", "run_id", "look", "window")
SENDING = (
    Moment("POST", r"/api/projects/?$", done=True),
    Moment("POST", "/import", done=False),
    Moment("POST", "/import", done=True),
)
FETCHING = Moment("GET", "/api/tasks", done=True)
RUNNING = ("train: gather_training_data", "evaluate: ask_models", "deliver: without_traces")
"""What is shown shortly before training, gate and delivery."""

_TESTED_BEFORE = re.compile(r", as when it was tested first, on \d+ clips")
"""What the gate says of a challenger that it judged before it was killed."""


class Loop:
    """A project whose loop asks people in a Label Studio project of its own."""

    def __init__(self, root: Path, environment: dict[str, str], watching: Watched, studio: Studio) -> None:
        self.root, self._watching, self._studio = root, watching, studio
        own = {ROOT_VARIABLE: str(root), "PYTHONPATH": str(root / "src")}
        self._environment = environment | own | {"LABEL_STUDIO_API_KEY": TOKEN, "LABEL_STUDIO_URL": watching.url}
        self._random = random.Random(7)

    def goes(self, *words: str, code: int = 0) -> str:
        """Let `kedro iterate` go as far as it goes."""
        command = [KEDRO, "iterate", *words]
        done = subprocess.run(
            command, cwd=self.root, env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def is_killed_at(self, moment: Moment | str, *words: str) -> None:
        """Kill it at random up to half a second after a request, or three after it shows something."""
        log = self.root / "killed.log"
        with log.open("w") as shown:
            process = subprocess.Popen(
                [KEDRO, "iterate", *words], cwd=self.root, env=self._environment, stdout=shown, stderr=shown
            )
        if isinstance(moment, Moment):
            self._watching.at(moment, lambda: self._kill(process, 0.5))
        else:
            while process.poll() is None and not re.search(moment, log.read_text()):
                time.sleep(0.02)
            self._kill(process, 3)
        assert process.wait() == -signal.SIGKILL, log.read_text()[-3000:]

    def _kill(self, process: "subprocess.Popen[bytes]", at_most: float) -> None:
        time.sleep(self._random.uniform(0, at_most))
        process.send_signal(signal.SIGKILL)

    def tasks(self) -> list[dict[str, Any]]:
        return self._studio.tasks(self.root.name)

    def people_answer(self, truth: dict[str, str], number: int | None = None) -> None:
        for task in self.tasks()[:number]:
            if not task["annotations"]:
                self._studio.annotate(task, topic=topic_of(task, truth))

    def left(self) -> dict[str, Any]:
        """All that the iteration came to, without times."""
        data = self.root / "data"
        champions = (data / "06_models/champions").glob("*/bundle.json")
        labels = pd.read_parquet(data / "05_model_input/labels.parquet")
        clips = pd.read_parquet(data / "02_intermediate/clips.parquet")[["clip_id", "split", "group", "feed"]]
        batches = [one["items"] for one in _lines(data / "01_raw/people_batches.jsonl")]
        answers = _lines(data / "01_raw/people_annotations.jsonl")
        models = MlflowClient(f"sqlite:///{next(self.root.rglob('mlflow.db'))}").search_model_versions()
        return {
            "champions": {path.parent.name: json.loads(path.read_text())["version"] for path in champions},
            "labels": labels.to_csv(index=False),
            "splits": clips.to_csv(index=False),
            "requests": _lines(data / "01_raw/label_requests.jsonl"),
            "ledger": _lines(data / "08_reporting/iterations.jsonl"),
            "promotions": [
                one | {"reason": _TESTED_BEFORE.sub("", one["reason"])}
                for one in _lines(data / "06_models/promotions.jsonl")
            ],
            "batches": [[item["clip_id"] for item in items] for items in batches],
            "answers": sorted((one["clip_id"], one["state"], str(one["labels"])) for one in answers),
            "tasks": sorted((one["data"]["clip_id"], len(one["annotations"])) for one in self.tasks()),
            "model versions": sorted((one.name, one.version) for one in models),
        }


def _lines(path: Path) -> list[dict[str, Any]]:
    told = (json.loads(line) for line in path.read_text().splitlines())
    return [{key: value for key, value in one.items() if key not in MOMENTS} for one in told]


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, project_root: Path, project_environment: dict[str, str]
) -> tuple[Path, dict[str, str]]:
    """Give a project with a champion and traffic that it mistakes, and what that traffic is about."""
    root = write_project(
        tmp_path_factory.mktemp("loops") / "trained", project_root, people="label_studio", guards={"approval": False}
    )
    own = {ROOT_VARIABLE: str(root), "PYTHONPATH": str(root / "src")}
    done = subprocess.run(
        [KEDRO, "run"], cwd=root, env=project_environment | own, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return root, capture_traffic(root)


@pytest.fixture(scope="module")
def studio(trained: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with serving(trained[0].parent, tmp_path_factory.mktemp("studio")) as server:
        yield server


@pytest.fixture
def loop(
    trained: tuple[Path, dict[str, str]], studio: Studio, project_environment: dict[str, str]
) -> Iterator[Callable[[str], Loop]]:
    """Give a function that copies the project under a name, which is also that of its project on the server."""
    root, _ = trained
    with watched(studio.url) as watching:

        def copied(name: str) -> Loop:
            shutil.copytree(root, root.parent / name, symlinks=True)
            file = root.parent / name / "conf/local/parameters.yml"
            given = yaml.safe_load(file.read_text())
            file.write_text(yaml.safe_dump(given | {"label": given["label"] | {"studio": {"project": name}}}))
            return Loop(root.parent / name, project_environment, watching, studio)

        yield copied


def test_killed_at_random_points_it_ends_in_the_same_state_and_nothing_is_asked_twice(
    loop: Callable[[str], Loop], trained: tuple[Path, dict[str, str]]
) -> None:
    _, truth = trained
    whole, killed = loop("whole"), loop("killed")
    whole.goes("--cause", "new words", code=3)
    whole.people_answer(truth)
    assert "promoted: topic" in whole.goes()

    for moment in SENDING:
        killed.is_killed_at(moment, "--cause", "new words")
    killed.goes(code=3)
    killed.people_answer(truth, 10)
    killed.is_killed_at(FETCHING)
    assert "(10 are answered)" in killed.goes(code=3)
    killed.people_answer(truth)
    for point in (FETCHING, *RUNNING):
        killed.is_killed_at(point)
    assert "promoted: topic" in killed.goes()

    there = [task["data"]["clip_id"] for task in killed.tasks()]
    assert len(there) == len(set(there))
    assert killed.left() == whole.left()
