"""The promise, through the whole label pipeline: rules of known quality, people's labels, no language model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.records import ANNOTATIONS, CLIPS, table

Run = Callable[..., tuple[Any, dict[str, int]]]

TOPICS = ("cooking", "football", "pets")
RULES = [
    {"name": f"says_{one}", "kind": "keywords", "capability": "topic", "label": one, "words": [one]} for one in TOPICS
]
TOPIC = {"topic": {"classes": list(TOPICS)}}


class Feed:
    """Clips whose caption names the topic rightly in most cases; some drawn at random were labelled by people."""

    def __init__(self, clips: int, labelled: int, right: float = 0.97, seed: int = 0, draw: str = "random") -> None:
        random = np.random.default_rng(seed)
        truth = random.integers(0, 3, clips)
        told = np.where(random.random(clips) < right, truth, (truth + 1) % 3)
        names = [f"c{number:05}" for number in range(clips)]
        rows = [
            {"clip_id": name, "text": f"a clip of {TOPICS[one]} {name}", "text_sha256": name, "media_sha256": ""}
            | {"has_audio": False, "bytes": 0, "split": "train", "path": "", "codec": ""}
            for name, one in zip(names, told, strict=True)
        ]
        chosen = sorted(random.permutation(clips)[:labelled])
        human = {"capability": "topic", "annotator": "ann", "kind": "human", "version": "", "draw": draw}
        votes = [human | {"clip_id": names[row], "label": TOPICS[truth[row]]} for row in chosen]
        self.truth = pd.Series([TOPICS[one] for one in truth], index=names)
        self.tables = {"clips": table(rows, CLIPS), "annotations": table(votes, ANNOTATIONS)}


def _run(run: Run, feed: Feed, rules: list[dict[str, Any]] = RULES, **guarantee: Any) -> tuple[Any, dict[str, int]]:
    off = {"llm": {"enabled": False}, "errors": {"most": 0}}
    return run(feed.tables, TOPIC, **off, rules=rules, guarantee=guarantee)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_good_rule_is_certified_and_the_promise_holds(run_label: Run) -> None:
    feed = Feed(clips=2400, labelled=900)
    catalog, counts = _run(run_label, feed)
    labels, found = catalog.load("labels"), catalog.load("guarantee")["topic"]
    certified = labels[labels["certified"]]
    assert counts["calibration_tests"] == 1
    assert len(certified) == found["accepted"] == found["pool"] == 1500
    assert set(certified["source"]) == {"rule"}
    assert (certified["label"].to_numpy() != feed.truth[certified["clip_id"]].to_numpy()).mean() <= 0.05
    assert (found["error_bound"], found["delta_of_this_test"]) == (0.05, 0.025)
    assert found["verdicts"][0]["p_value"] <= 0.025
    assert found["cost_per_correct"]["value"] < 0.04
    assert "1500 of 1500 clips that no person has seen have a certified label" in found["words"]
    assert not labels.loc[labels["source"] == "human", "certified"].any()


def test_unchanged_data_spend_nothing_and_give_the_same_bytes(run_label: Run, tmp_path: Path) -> None:
    feed = Feed(clips=1400, labelled=900)
    _run(run_label, feed)
    written = _bytes(tmp_path)
    _, counts = _run(run_label, feed)
    assert (counts["calibration_tests"], counts["ledger_entries_added"]) == (0, 0)
    assert _bytes(tmp_path) == written


def test_new_clips_are_certified_without_a_test_and_another_rule_pays_for_its_own(
    run_label: Run, tmp_path: Path
) -> None:
    _run(run_label, Feed(clips=1400, labelled=900))
    more = Feed(clips=1400, labelled=900)
    extra = Feed(clips=1500, labelled=0).tables["clips"].tail(100)
    more.tables["clips"] = pd.concat([more.tables["clips"], extra], ignore_index=True)
    catalog, counts = _run(run_label, more)
    assert counts["calibration_tests"] == 0
    assert catalog.load("labels").set_index("clip_id").loc[extra["clip_id"], "certified"].all()

    changed = [{**RULES[0], "words": ["cooking", "food"]}, *RULES[1:]]
    catalog, counts = _run(run_label, more, changed)
    found = catalog.load("guarantee")["topic"]
    assert counts["calibration_tests"] == 1
    assert found["delta_of_this_test"] == pytest.approx(0.05 / 6)
    assert found["delta_spent"] == pytest.approx(0.025 + 0.05 / 6)
    tests = (tmp_path / "data/05_model_input/calibration_tests.jsonl").read_text().splitlines()
    assert [json.loads(line)["delta"] for line in tests] == [0.025, pytest.approx(0.05 / 6)]


def test_too_few_labels_certify_nothing_and_spend_nothing(run_label: Run, tmp_path: Path) -> None:
    catalog, counts = _run(run_label, Feed(clips=300, labelled=40))
    found = catalog.load("guarantee")["topic"]
    assert counts["calibration_tests"] == 0
    assert (found["accepted"], found["labels_needed"], found["delta_left"]) == (0, 72 - 40, 0.05)
    assert "At least 32 more are needed" in found["words"]
    assert not catalog.load("labels")["certified"].any()
    assert (tmp_path / "data/05_model_input/calibration_tests.jsonl").read_bytes() == b""


def test_a_bad_rule_is_not_certified(run_label: Run) -> None:
    catalog, counts = _run(run_label, Feed(clips=1200, labelled=600, right=0.9))
    found = catalog.load("guarantee")["topic"]
    assert (counts["calibration_tests"], found["accepted"], found["labels_needed"]) == (1, 0, None)
    assert "more labels would not help" in found["words"]
    labels = catalog.load("labels")
    assert (labels["source"] == "rule").sum() == 600
    assert not labels["certified"].any()


@pytest.mark.parametrize("draw", ["value", ""])
def test_only_random_draws_count_unless_the_feed_is_declared_one(run_label: Run, draw: str) -> None:
    feed = Feed(clips=1400, labelled=900, draw=draw)
    catalog, _ = _run(run_label, feed)
    assert catalog.load("guarantee")["topic"]["calibration"]["clips"] == 0
    catalog, _ = _run(run_label, feed, calibration="feed")
    assert catalog.load("guarantee")["topic"]["calibration"]["clips"] == (0 if draw else 900)


def test_each_class_is_certified_on_its_own(run_label: Run) -> None:
    feed = Feed(clips=3000, labelled=1800, right=0.98)
    wrong = feed.tables["annotations"]
    pets = wrong.index[wrong["label"] == "pets"][::5]
    wrong.loc[pets, "label"] = "cooking"
    catalog, _ = _run(run_label, feed, per_class=True)
    verdicts = {one["answer"]: bool(one["thresholds"]) for one in catalog.load("guarantee")["topic"]["verdicts"]}
    assert verdicts == {"cooking": True, "football": True, "pets": False}
    labels = catalog.load("labels")
    assert set(labels.loc[labels["certified"], "label"]) == {"cooking", "football"}


def test_switched_off_nothing_is_promised(run_label: Run) -> None:
    catalog, _ = _run(run_label, Feed(clips=1400, labelled=900), enabled=False)
    assert catalog.load("guarantee") == {}
    assert not catalog.load("labels")["certified"].any()
