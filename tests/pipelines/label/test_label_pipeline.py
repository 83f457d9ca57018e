import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from cu_pipeline.core.lean import TEXT, lean
from cu_pipeline.core.records import ANNOTATIONS, CLIPS, table
from cu_pipeline.core.rows import rows_of
from cu_pipeline.labeling.options import LabelOptions
from cu_pipeline.pipelines.label.people_nodes import merge_annotations

Run = Callable[..., tuple[Any, dict[str, int]]]

NO_WORK = {"calibration_tests": 0, "ledger_entries_added": 0, "llm_clips_spared": 0}
BATCHED = (
    "core.rows",
    "core.lean",
    "core.spool",
    "datasets.tables",
    "datasets.row_files",
    "labeling.people.label_errors",
    "labeling.people.votes",
    "labeling.aggregation",
)
"""Modules that work on batches of rows."""

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
        {"clip_id": f"c{place}", "text": text, "text_sha256": f"t{place}", "path": "", "media_sha256": "", "codec": ""}
        | {"has_audio": False, "bytes": 0}
        for place, text in enumerate(captions)
    ]
    human = [
        {"clip_id": f"c{place}", "capability": "topic", "annotator": "label", "kind": "human", "label": label}
        | {"price": 0.0, "version": "", "draw": ""}
        for place, label in enumerate(LABELLED.values())
    ]
    return {"clips": table(clips, CLIPS), "annotations": table(human, ANNOTATIONS)}


def _labels(run: Run, feed: dict[str, pd.DataFrame], **llm: object) -> tuple[pd.DataFrame, dict[str, int]]:
    capabilities = {"topic": {}, "safety": {"kind": "multi"}}
    catalog, counts = run(feed, capabilities, llm=llm)
    return catalog.load("labels"), counts


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_shipped_parameters_are_the_defaults() -> None:
    shipped = yaml.safe_load((BASE / "parameters_label.yml").read_text())["label"]
    rules = shipped.pop("rules")
    assert LabelOptions.model_validate(shipped) == LabelOptions()
    assert all(rule["feeds"] == ["sample"] for rule in rules), "the rules that are shipped are of the generated feed"


@pytest.mark.slow
def test_captions_are_labelled_once_and_survive_a_crash(
    tmp_path: Path, feed: dict[str, pd.DataFrame], run_label: Run
) -> None:
    labels, counts = _labels(run_label, feed)
    asked = len(OBVIOUS) + 6
    assert counts["llm_calls"] == asked
    assert labels["source"].tolist() == ["human"] * len(LABELLED) + ["llm"] * len(OBVIOUS)
    given = labels["label"].tolist()[len(LABELLED) :]
    assert sum(map(str.__eq__, given, OBVIOUS.values())) >= 9
    assert ((labels["price"] > 0) == (labels["source"] == "llm")).all(), "the feed's labels were paid for elsewhere"
    written = _bytes(tmp_path)

    _, counts = _labels(run_label, feed)
    assert counts == {"llm_cache_hits": asked, "llm_calls": 0, "llm_tokens": 0, "llm_unanswered": 0} | NO_WORK | {
        "clips_queued": len(OBVIOUS) + 1
    }
    assert _bytes(tmp_path) == written

    log = tmp_path / "data" / "05_model_input" / "llm_calls.jsonl"
    log.write_bytes(written["llm_calls.jsonl"][:-20])
    _, counts = _labels(run_label, feed)
    assert counts["llm_calls"] == 1
    assert _bytes(tmp_path) == written


def test_without_the_language_model_only_people_count(
    tmp_path: Path, feed: dict[str, pd.DataFrame], run_label: Run
) -> None:
    labels, counts = _labels(run_label, feed, enabled=False)
    assert labels["label"].tolist() == list(LABELLED.values())
    assert counts["llm_calls"] == 0
    assert (tmp_path / "data" / "05_model_input" / "llm_calls.jsonl").read_bytes() == b""


def test_clips_without_a_label_by_a_person_are_queued(
    tmp_path: Path, feed: dict[str, pd.DataFrame], run_label: Run
) -> None:
    _, counts = _labels(run_label, feed, enabled=False)
    queue = json.loads((tmp_path / "data" / "05_model_input" / "label_queue.json").read_text())
    waiting = {task["data"]["clip_id"] for task in queue if task["meta"]["draw"] != "gold"}
    assert waiting == set(feed["clips"]["clip_id"][len(LABELLED) :])
    assert counts["clips_queued"] == len(waiting)


@pytest.mark.slow
def test_without_any_label_machines_label_and_people_are_asked(
    tmp_path: Path, feed: dict[str, pd.DataFrame], run_label: Run
) -> None:
    cold = feed | {"annotations": table([], ANNOTATIONS)}
    capabilities = {
        "topic": {"classes": sorted(set(LABELLED.values()))},
        "safety": {"kind": "multi", "classes": ["advert", "violence"]},
    }
    rules = [{"name": "ads", "kind": "keywords", "capability": "safety", "label": "advert", "words": ["unboxed"]}]
    catalog, counts = run_label(cold, capabilities, rules=rules)
    resolved = catalog.load("capabilities_resolved")
    assert list(resolved.active) == list(resolved.waiting) == ["topic", "safety"]
    sources = catalog.load("labels").groupby("capability")["source"].value_counts().to_dict()
    assert sources == {("topic", "llm"): len(LABELLED) + len(OBVIOUS), ("safety", "rule"): 1}
    queue = json.loads((tmp_path / "data" / "05_model_input" / "label_queue.json").read_text())
    assert {task["data"]["clip_id"] for task in queue} == set(feed["clips"]["clip_id"])
    draws = [task["meta"]["draw"] for task in queue]
    assert draws.count("random") == math.ceil(LabelOptions().queue.random_share * len(queue))
    assert draws.count("gold") == 0
    empty = 6  # captions that say nothing, which the model is paid for too
    assert counts["ledger_entries_added"] == len(LABELLED) + len(OBVIOUS) + empty + 1
    assert "too few" in catalog.load("guarantee")["topic"].message
    assert catalog.load("agreement")["topic"]["topic"]["alpha"] is None
    assert catalog.load("label_errors")["topic"] == {"clips": 0, "suspects": []}


def test_without_any_source_that_speaks_everything_is_asked_of_people(
    tmp_path: Path, feed: dict[str, pd.DataFrame], run_label: Run
) -> None:
    cold = {"clips": feed["clips"].iloc[-1:], "annotations": table([], ANNOTATIONS)}
    catalog, counts = run_label(cold, {"topic": {"classes": ["a", "b"]}}, llm={"enabled": False})
    assert catalog.load("labels").empty
    assert counts["clips_queued"] == 1


def test_tables_whose_text_arrow_holds_are_labelled_as_small_ones(
    tmp_path: Path, run_label: Run, feed: dict[str, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables of more than a batch come so; here batches are of four rows."""
    copies = feed["clips"].assign(
        clip_id=lambda rows: "z" + rows["clip_id"], group=lambda rows: "of " + rows["clip_id"]
    )
    feed["clips"] = pd.concat([feed["clips"].assign(group=feed["clips"]["clip_id"]), copies], ignore_index=True)
    feed["clips"]["metadata"] = '{"annotation_draw": "random", "annotation_price": "0.5"}'
    feed["feed_annotations"] = feed.pop("annotations")
    feed = {name: one.fillna(dict.fromkeys(one.select_dtypes(object), "")) for name, one in feed.items()}
    keyword = {"name": "kitchen", "capability": "topic", "label": "cooking", "kind": "keywords", "words": ["Recipe"]}
    regex = {"name": "pen", "capability": "topic", "label": "football", "kind": "regex", "pattern": "penal+ty"}
    given = {"llm": {"enabled": True, "max_clips": 3}, "rules": [keyword, regex], "queue": {"max_clips": 5}}

    def outputs(feed: dict[str, pd.DataFrame]) -> dict[str, Any]:
        merged = merge_annotations(feed["feed_annotations"], feed["clips"], [], [])
        catalog, counts = run_label({"people_opinions": merged, **feed}, {"topic": {}}, **given)
        names = ("labels", "rule_annotations", "annotations", "guarantee", "label_queue", "agreement", "label_errors")
        found = {name: catalog.load(name) for name in (*names, "ledger", "label_summary")}
        found["ledger"] = found["ledger"].drop(columns="entered_at")
        found["label_summary"]["money"].pop("added_at")
        return found | {name: counts[name] for name in ("ledger_entries_added", "clips_queued", "calibration_tests")}

    plain = outputs(feed)
    shutil.rmtree(tmp_path / "data/05_model_input/ledger")
    for name in ("datasets.tables.LARGE", *(f"{one}.BATCH" for one in BATCHED)):
        monkeypatch.setattr(f"cu_pipeline.{name}", 4)
    large = outputs({name: lean(rows_of(one)) for name, one in feed.items()})
    assert large["labels"]["clip_id"].dtype == TEXT
    for name, wanted in plain.items():
        if isinstance(wanted, pd.DataFrame):
            pd.testing.assert_frame_equal(large[name].astype(wanted.dtypes), wanted)
        else:
            assert large[name] == wanted, name
