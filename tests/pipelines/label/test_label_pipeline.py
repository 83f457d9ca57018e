from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from kedro.io import DataCatalog
from kedro.runner import SequentialRunner

from cu_pipeline.core import counters
from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.records import ANNOTATIONS, CLIPS, table
from cu_pipeline.labeling.options import LabelOptions
from cu_pipeline.pipelines.label import create_pipeline

BASE = Path(__file__).parents[3] / "conf" / "base"

LABELLED = {
    "roasting a chicken with potatoes": "cooking",
    "our cat sleeps on the dog": "pets",
    "the goalkeeper saved the penalty": "football",
    "my new gaming console unboxed": "gaming",
}
OBVIOUS = {
    "crispy fried chicken, so juicy!!": "cooking",
    "the best chocolate cake recipe you will ever taste": "cooking",
    "grandma's secret tomato soup recipe": "cooking",
    "kitten vs cucumber lol": "pets",
    "golden retriever loves bath time #dogsoftiktok": "pets",
    "training my dog to shake hands": "pets",
    "messi dribbles past five defenders": "football",
    "best saves by goalkeepers this season": "football",
    "penalty kick in the cup final, what a goal": "football",
    "minecraft castle build timelapse": "gaming",
    "fortnite: how I won the last round on my playstation": "gaming",
    "I beat the final boss of this video game with no damage": "gaming",
}


@pytest.fixture
def feed() -> dict[str, pd.DataFrame]:
    captions = [*LABELLED, *OBVIOUS, ""]
    clips = [
        {"clip_id": f"c{place}", "text": text, "has_audio": False, "bytes": 0} for place, text in enumerate(captions)
    ]
    human = [
        {"clip_id": f"c{place}", "capability": "topic", "annotator": "label", "kind": "human", "label": label}
        for place, label in enumerate(LABELLED.values())
    ]
    return {"clips": table(clips, CLIPS), "annotations": table(human, ANNOTATIONS)}


def _run(folder: Path, feed: dict[str, pd.DataFrame], **llm: object) -> tuple[pd.DataFrame, dict[str, int]]:
    """Run the pipeline with the project's own catalog moved to `folder`; give labels and counters."""
    config: dict[str, dict[str, Any]] = yaml.safe_load((BASE / "catalog_label.yml").read_text())
    for entry in config.values():
        path = Path(entry["filepath"])
        entry["filepath"] = str(folder / path if path.parts[0] == "data" else BASE.parents[1] / path)
    catalog = DataCatalog.from_config(config)
    for name, frame in feed.items():
        catalog[name] = frame
    catalog["params:capabilities"] = Capabilities.model_validate({"topic": {}, "safety": {"kind": "multi"}})
    catalog["params:seed"] = 17
    catalog["params:label"] = LabelOptions.model_validate({"llm": llm})
    counters.reset()
    SequentialRunner().run(create_pipeline(), catalog)
    return catalog.load("labels"), counters.counts()


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_shipped_parameters_are_the_defaults() -> None:
    shipped = yaml.safe_load((BASE / "parameters_label.yml").read_text())["label"]
    assert LabelOptions.model_validate(shipped) == LabelOptions()


@pytest.mark.slow
def test_captions_are_labelled_once_and_survive_a_crash(tmp_path: Path, feed: dict[str, pd.DataFrame]) -> None:
    labels, counts = _run(tmp_path, feed)
    asked = len(OBVIOUS) + 6
    assert counts["llm_calls"] == asked
    assert labels["source"].tolist() == ["human"] * len(LABELLED) + ["llm"] * len(OBVIOUS)
    given = labels["label"].tolist()[len(LABELLED) :]
    assert sum(map(str.__eq__, given, OBVIOUS.values())) >= 9
    assert (labels["price"] > 0).all()
    written = _bytes(tmp_path)

    _, counts = _run(tmp_path, feed)
    assert counts == {"llm_cache_hits": asked, "llm_calls": 0, "llm_tokens": 0, "llm_unanswered": 0}
    assert _bytes(tmp_path) == written

    log = tmp_path / "data" / "05_model_input" / "llm_calls.jsonl"
    log.write_bytes(written["llm_calls.jsonl"][:-20])
    _, counts = _run(tmp_path, feed)
    assert counts["llm_calls"] == 1
    assert _bytes(tmp_path) == written


def test_without_the_language_model_only_people_count(tmp_path: Path, feed: dict[str, pd.DataFrame]) -> None:
    labels, counts = _run(tmp_path, feed, enabled=False)
    assert labels["label"].tolist() == list(LABELLED.values())
    assert counts["llm_calls"] == 0
    assert (tmp_path / "data" / "05_model_input" / "llm_calls.jsonl").read_bytes() == b""
