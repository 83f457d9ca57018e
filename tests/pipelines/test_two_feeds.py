"""Kedro's commands on a feed of videos and one of texts: outside its scope a capability is nowhere in the files."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
import yaml

from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.models.bundle import Bundle, content_keys
from cu_pipeline.service.api.answers import answer_of
from cu_pipeline.service.api.capabilities import served
from cu_pipeline.service.api.clips import ClipFields, facts

pytestmark = pytest.mark.slow

PARAMETERS = {
    "capabilities": {
        "topic": {"classes": ["cooking", "sport"], "scope": {"feeds": "videos.csv", "modalities": "video"}},
        "hate": {"classes": ["fine", "hate"], "scope": {"feeds": "texts.csv"}},
    },
    "collect": {
        "manifest": ["videos.csv", "texts.csv"],
        "split": {"train": 0.4, "validation": 0.2, "test": 0.4},
    },
    "featurize": {"extractors": {"frames": {"count": 1}}},
    "label": {
        "llm": {"enabled": False},
        "rules": [  # both speak of captions in both feeds
            {"name": "goals", "kind": "keywords", "capability": "topic", "label": "sport", "words": ["goal"]},
            {"name": "stews", "kind": "keywords", "capability": "hate", "label": "fine", "words": ["stew"]},
        ],
    },
    "train": {"family": "linear"},
    "evaluate": {"bootstrap_draws": 100, "gate": {"force": ["topic", "hate"]}},
    "compute": {"workers": 1},
}
WRITTEN = ("queue_clips", "write_ledger", "gather_metrics", "select_champions")
"""The last nodes of the run: without them it would also prove and pack the service, which takes most of a minute."""

WORDS = ("a stew that simmers", "the goal of the match")
FIRST_UNLABELLED = 24
OF_EACH = 32
INSIDE = {"topic": {f"v{number}" for number in range(OF_EACH)}, "hate": {f"t{number}" for number in range(OF_EACH)}}
"""Capability -> the clips that it applies to."""

LABELLED = {name: {clip for clip in clips if int(clip[1:]) < FIRST_UNLABELLED} for name, clips in INSIDE.items()}


def film(target: Path, number: int) -> None:
    """Write a clip that looks like no other: still blocks of random colours."""
    blocks = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    picture = np.kron(blocks, np.ones((8, 8, 1), np.uint8))
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))


def video_rows() -> list[dict[str, str]]:
    """Clips of which every third has no caption; one is called hate, and one row is a text: both are out of scope."""
    rows = [
        {"clip_id": f"v{number}", "path": f"films/v{number}.mp4", "creator": f"maker {number}"}
        | {"text": "" if number % 3 == 0 else f"{WORDS[number % 2]}, part {number}"}
        | {"label_topic": ("cooking", "sport")[number % 2] if number < FIRST_UNLABELLED else ""}
        | {"label_hate": "hate" if number == 1 else ""}
        for number in range(OF_EACH)
    ]
    bare = {"clip_id": "bare", "path": "", "creator": "maker", "text": "the goal that nobody filmed"}
    return [*rows, bare | {"label_topic": "sport", "label_hate": ""}]


def text_rows() -> list[dict[str, str]]:
    """Texts, of which some have a topic, too: it is out of its scope."""
    return [
        {"clip_id": f"t{number}", "text": f"{WORDS[number % 2]}, says writer {number}", "creator": f"writer {number}"}
        | {"label_hate": ("fine", "hate")[number % 2] if number < FIRST_UNLABELLED else ""}
        | {"label_topic": "cooking" if number < 6 else ""}
        for number in range(OF_EACH)
    ]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, project_root: Path, project_environment: dict[str, str]) -> Path:
    """Give a project with both feeds after a run up to the champions and an export of the queue."""
    folder = tmp_path_factory.mktemp("feeds") / "project"
    ignored = shutil.ignore_patterns("__pycache__", "local")
    for name in ("src", "conf"):
        shutil.copytree(project_root / name, folder / name, ignore=ignored)
    for name in ("pyproject.toml", "dvc.yaml"):
        shutil.copy(project_root / name, folder)
    for name in ("conf/local", "films"):
        (folder / name).mkdir()
    (folder / "conf/local/parameters.yml").write_text(yaml.safe_dump(PARAMETERS))
    for number in range(OF_EACH):
        film(folder / f"films/v{number}.mp4", number)
    pd.DataFrame(video_rows()).to_csv(folder / "videos.csv", index=False)
    pd.DataFrame(text_rows()).to_csv(folder / "texts.csv", index=False)
    environment = project_environment | {ROOT_VARIABLE: str(folder), "PYTHONPATH": str(folder / "src")}

    for arguments in (("run", f"--to-nodes={','.join(WRITTEN)}"), ("labels", "export", "tasks.json")):
        command = [Path(sys.executable).parent / "kedro", *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


def clips_of(rows: pd.DataFrame) -> dict[str, set[str]]:
    return {name: set(of_one["clip_id"]) for name, of_one in rows.groupby("capability")}


def read(project: Path, table: str) -> pd.DataFrame:
    return pd.read_parquet(project / "data" / table)


@pytest.fixture(scope="module")
def clips(project: Path) -> pd.DataFrame:
    return read(project, "02_intermediate/clips.parquet").set_index("clip_id", drop=False)


def test_nothing_outside_a_scope_is_labelled(project: Path) -> None:
    labels = read(project, "05_model_input/labels.parquet")
    assert clips_of(labels[labels["source"] == "human"]) == LABELLED
    by_rules = clips_of(labels[labels["source"] == "rule"])
    assert {name: bool(found) and found <= INSIDE[name] - LABELLED[name] for name, found in by_rules.items()} == {
        "topic": True,
        "hate": True,
    }
    spoken = clips_of(read(project, "05_model_input/rule_annotations.parquet"))
    assert {name: found <= INSIDE[name] for name, found in spoken.items()} == {"topic": True, "hate": True}
    apart = clips_of(read(project, "02_intermediate/annotations_apart.parquet"))
    assert apart == {"topic": {"bare", *(f"t{number}" for number in range(6))}, "hate": {"v1"}}


def test_nobody_is_asked_about_what_is_outside_a_scope(project: Path) -> None:
    exported = {file.stem: json.loads(file.read_text()) for file in project.glob("tasks*.json")}
    asked = {name: {task["data"]["clip_id"] for task in tasks} for name, tasks in exported.items()}
    assert {name: bool(asked.get(f"tasks-{name}")) for name in INSIDE} == {"topic": True, "hate": True}
    assert len(asked) == len(INSIDE)
    assert all(asked[f"tasks-{name}"] <= inside for name, inside in INSIDE.items())
    asks = {name: (project / f"tasks-{name}.xml").read_text() for name in INSIDE}
    assert {name: [one for one in INSIDE if f'name="label_{one}"' in text] for name, text in asks.items()} == {
        name: [name] for name in INSIDE
    }


def test_nothing_outside_a_scope_is_learned_from_predicted_or_measured(project: Path, clips: pd.DataFrame) -> None:
    metrics = json.loads((project / "data/08_reporting/metrics.json").read_text())
    learnable = clips[clips["split"] != "test"]
    for name, inside in INSIDE.items():
        bundle = Bundle.load(project / "data/06_models/champions" / name)
        assert bundle.learned_from
        assert set(bundle.learned_from) <= set(content_keys(learnable[learnable["clip_id"].isin(inside)]))
        assert set(bundle.reference.table()["clip_id"]) <= set(learnable["clip_id"]) & set(inside)
        splits = clips.loc[sorted(LABELLED[name]), "split"].value_counts()
        assert {split: metrics[name][split]["n"] for split in splits.index} == splits.to_dict()
        assert {one["n"] for one in metrics[name]["baselines"].values()} == {splits["test"]}
    assert metrics.keys() == INSIDE.keys()
    assert clips_of(read(project, "07_model_output/predictions.parquet")) == INSIDE


def test_what_is_delivered_says_of_other_clips_that_it_does_not_apply(project: Path) -> None:
    predictor = Predictor.load(project / "data/06_models/champions")

    def answers(video: Path | None, caption: str, feed: str | None) -> dict[str, dict[str, Any]]:
        prediction = predictor.predict(video, caption, facts(ClipFields(feed=feed)))
        return {name: answer_of(prediction, name, {}).model_dump() for name in prediction.versions}

    film_of_one = project / "films/v2.mp4"
    said = {
        "a text": answers(None, "a stew, says writer 99", None),
        "a text of its feed": answers(None, "a stew, says writer 99", "texts.csv"),
        "a video of its feed": answers(film_of_one, "the goal of the match", "videos.csv"),
        "a text of the videos' feed": answers(None, "the goal that nobody filmed", "videos.csv"),
    }
    answered = {clip: {name for name, one in by.items() if one.get("applicable", True)} for clip, by in said.items()}
    assert answered == {
        "a text": {"hate"},
        "a text of its feed": {"hate"},
        "a video of its feed": {"topic"},
        "a text of the videos' feed": set(),
    }
    refused = said["a text"]["topic"]
    assert refused["applicable"] is False
    assert refused["reason"].startswith("it applies to clips with video")
    assert said["a video of its feed"]["hate"]["reason"] == "it applies to feeds: texts.csv, not videos.csv"
    assert {name: served(bundle, None, None).scope for name, bundle in predictor.bundles.items()} == {
        "topic": {"feeds": ["videos.csv"], "modalities": ["video"]},
        "hate": {"feeds": ["texts.csv"]},
    }
