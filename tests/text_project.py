"""A project of captions alone, which runs in a minute, and traffic in words that its champion mistakes."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from cu_pipeline.core.caption_text import clean_caption
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.inference.prediction_log import LogOptions, PredictionLog, PredictionRecord, encode_embedding
from cu_pipeline.ingest.capture_store import CaptureStore

PARAMETERS: dict[str, Any] = {
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

_FILES = (
    "pyproject.toml",
    "dvc.yaml",
    "image.lock",
    "bentofile.yaml",
    "constraints.txt",
    "weights.txt",
    "README.md",
)


def word(number: int) -> str:
    """Words that make captions differ."""
    return f"part {number} of {number * 7919 % 1000}"


def write_project(folder: Path, product: Path, **iterate: Any) -> Path:
    """Write a project with a feed of 120 captions of as many creators; parameters of `iterate` may be given."""
    for name in ("src", "conf"):
        shutil.copytree(product / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "local"))
    for name in _FILES:
        shutil.copy(product / name, folder)
    (folder / "conf/local").mkdir()
    given = PARAMETERS | {"iterate": PARAMETERS["iterate"] | iterate}
    (folder / "conf/local/parameters.yml").write_text(yaml.safe_dump(given))
    topics = ["cooking", "sport"]
    rows = [
        {"clip_id": f"t{number}", "text": f"{OLD[topics[number % 2]]}, {word(number)}", "creator": f"writer {number}"}
        | {"label": topics[number % 2]}
        for number in range(120)
    ]
    pd.DataFrame(rows).to_csv(folder / "texts.csv", index=False)
    return folder


def capture_traffic(project: Path, number: int = 200) -> dict[str, str]:
    """Have the service see texts in new words; give clip -> topic."""
    served = json.loads((project / "data/06_models/champions/topic/bundle.json").read_text())["version"]
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


def topic_of(task: dict[str, Any], truth: dict[str, str]) -> str:
    """What somebody who knows says of a task, also of a gold clip of the feed."""
    return truth.get(task["data"]["clip_id"]) or ("sport" if "goal" in task["data"]["text"] else "cooking")
