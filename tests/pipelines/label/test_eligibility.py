"""The guarantee with a served model that has learned from most calibration clips."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.records import ANNOTATIONS, CLIPS, table
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.labeling.people.requests import LabelRequest, Purpose
from cu_pipeline.models.bundle import Bundle, content_keys

Run = Callable[..., tuple[Any, dict[str, int]]]

CLASSES = ("cooking", "sport")
TOPIC = {"topic": {"classes": list(CLASSES)}}
RULE = {"name": "says", "kind": "keywords", "capability": "topic", "label": "cooking", "words": ["cooking"]}
LABELLED, CLIPS_IN_ALL = 900, 1400


class Feed:
    """Clips whose caption's feature tells the topic; 900 were drawn at random and labelled by people.

    A fifth is for testing. All clips but the last 200 were there when the model was trained.
    """

    def __init__(self, bundle: Bundle, folder: Path) -> None:
        random = np.random.default_rng(5)
        self.names = pd.Series([f"c{number:04}" for number in range(CLIPS_IN_ALL)])
        truth = random.integers(0, 2, CLIPS_IN_ALL)
        self.splits = pd.Series(np.where(random.random(CLIPS_IN_ALL) < 0.2, "test", "train"))
        self.is_drawn = self.names.index.isin(random.permutation(CLIPS_IN_ALL - 200)[:LABELLED])
        rows = [
            {"clip_id": name, "text": f"{CLASSES[kind]} {name}", "text_sha256": name, "split": split, "path": ""}
            | {"media_sha256": "", "has_audio": False, "bytes": 0, "codec": ""}
            for name, kind, split in zip(self.names, truth, self.splits, strict=True)
        ]
        human = {"capability": "topic", "annotator": "ann", "kind": "human", "version": "", "draw": "random"}
        drawn = self.names[self.is_drawn]
        votes = [human | {"clip_id": name, "label": CLASSES[truth[row]]} for row, name in drawn.items()]
        self.tables = {"clips": table(rows, CLIPS), "annotations": table(votes, ANNOTATIONS)}
        self._store(bundle, folder, truth)

    def _store(self, bundle: Bundle, folder: Path, truth: np.ndarray) -> None:
        store = FeatureStore(folder / "data" / "04_feature")
        identity = bundle.inputs["captions"].extractor().identity
        vectors = np.random.default_rng(6).normal(0, 0.1, (CLIPS_IN_ALL, *identity.shape)).astype(np.float32)
        vectors[..., 0] = np.where(truth == 1, 1, -1).reshape(-1, *([1] * (vectors.ndim - 2)))
        store.append(identity, self.names.tolist(), vectors)

    def trained(self, bundle: Bundle) -> Bundle:
        """Give the model with what it was trained on: people's labels outside the test split."""
        keys, is_old = content_keys(self.tables["clips"]), self.names.index < CLIPS_IN_ALL - 200
        train = (self.splits == "train") & is_old
        learned, bare = keys[train & self.is_drawn], keys[train & ~self.is_drawn]
        return replace(bundle, learned_from=tuple(sorted(learned)), unlabelled=tuple(sorted(bare)))


@pytest.fixture
def label(run_label: Run, tmp_path: Path, caption_reader: Bundle) -> Callable[..., tuple[Any, dict[str, int], Feed]]:
    """Give a function that labels the feed with a rule and a served model."""
    feed = Feed(caption_reader, tmp_path)

    def run(**changes: Any) -> tuple[Any, dict[str, int], Feed]:
        replace(feed.trained(caption_reader), **changes).save(tmp_path / "data/06_models/champions/topic")
        off = {"llm": {"enabled": False}, "errors": {"most": 0}}
        catalog, counts = run_label(feed.tables, TOPIC, **off, rules=[RULE], champion={"enabled": True})
        return catalog, counts, feed

    return run


def test_only_clips_that_are_no_part_of_training_are_tested_and_certified(label, tmp_path: Path) -> None:
    catalog, counts, feed = label()
    found, labels = catalog.load("guarantee")["topic"], catalog.load("labels").set_index("clip_id")
    is_test = (feed.splits == "test").to_numpy()
    is_free = is_test | (feed.names.index >= CLIPS_IN_ALL - 200)
    counting = int((feed.is_drawn & is_test).sum())
    assert 150 < counting < 220
    assert counts["calibration_tests"] == 1
    assert (found.calibration["clips"], found.calibration["ineligible"]) == (
        counting,
        {"learned": LABELLED - counting},
    )
    assert found.results[0].thresholds.keys() == {"rule", "model"}
    assert set(labels.index[labels["certified"]]) == set(feed.names[is_free & ~feed.is_drawn])
    excluded = labels.loc[feed.names[~is_free & ~feed.is_drawn]]
    assert set(excluded["source"]) == {"model"}
    assert f"cannot be certified: {len(excluded)}, since the served model has learned from them" in found.message

    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    _, counts, _ = label()
    assert (counts["calibration_tests"], counts["ledger_entries_added"]) == (0, 0)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == written


def test_the_next_model_is_another_question(label) -> None:
    first = label()[0].load("guarantee")["topic"]
    catalog, counts, _ = label(temperature=0.9)
    found = catalog.load("guarantee")["topic"]
    assert counts["calibration_tests"] == 1
    assert (first.delta_of_this_test, found.delta_of_this_test) == (0.025, pytest.approx(0.05 / 12))
    assert found.delta_spent == pytest.approx(0.025 + 0.05 / 12)


def test_a_model_that_does_not_tell_what_had_no_label_is_tested_on_test_clips_alone(label) -> None:
    catalog, _, feed = label(unlabelled=None)
    labels = catalog.load("labels").set_index("clip_id")
    assert set(labels.index[labels["certified"]]) == set(feed.names[(feed.splits == "test") & ~feed.is_drawn])


def test_clips_that_iterations_chose_are_labelled_by_rules_and_never_certified(
    run_label: Run, tmp_path: Path, caption_reader: Bundle
) -> None:
    feed = Feed(caption_reader, tmp_path)
    served = feed.names.index >= CLIPS_IN_ALL - 100
    clips = feed.tables["clips"].assign(feed=np.where(served, "served", "clips.csv"))
    asked = [LabelRequest("0001", feed.names.iloc[-1], Purpose.VALUE)]
    off = {"llm": {"enabled": False}, "errors": {"most": 0}}
    tables = feed.tables | {"clips": clips, "label_requests": asked}
    catalog, counts = run_label(tables, TOPIC, **off, rules=[RULE])
    labels = catalog.load("labels").set_index("clip_id")
    cooking = feed.names[clips["text"].str.startswith("cooking")]
    chosen = sorted(set(feed.names[served]) & set(cooking))
    others = set(cooking) - set(feed.names[feed.is_drawn]) - set(chosen)
    assert counts["calibration_tests"] == 1
    assert set(labels.loc[chosen, "source"]) == {"rule"}
    assert set(labels.index[labels["certified"]]) == others
    assert "iterations chose them from the service's traffic" in catalog.load("guarantee")["topic"].message
