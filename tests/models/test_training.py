import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.decision import decide
from cu_pipeline.core.records import CLIPS, LEFT_OUT, table
from cu_pipeline.features.clip_features import ClipFeatures
from cu_pipeline.features.extractor import Extractor
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.models import probabilities
from cu_pipeline.models.bundle import Bundle, content_keys
from cu_pipeline.models.calibration import unseen_predictions
from cu_pipeline.models.families import FAMILIES, TrainOptions
from cu_pipeline.models.family import Examples, Fitted
from cu_pipeline.models.linear import Linear
from cu_pipeline.models.training import (
    TrainingData,
    affordable,
    fingerprint,
    train,
    training_data,
    with_inputs_at_hand,
)


@pytest.mark.parametrize("split", ["test", LEFT_OUT])
def test_neither_test_clips_nor_clips_between_two_splits_are_learned_from(split: str) -> None:
    splits = ["train", "validation", split]
    clips = pd.DataFrame({"clip_id": list("abc"), "split": splits, "media_sha256": list("xyz"), "text_sha256": ""})
    labels = pd.DataFrame({"clip_id": list("abc"), "capability": "topic", "label": "pets", "probabilities": "{}"})
    labels["source"] = "human"
    data = training_data("topic", Capability(classes=("pets", "cars")), clips, labels)
    assert data is not None
    assert data.clips["clip_id"].tolist() == ["a", "b"]


@pytest.fixture(scope="module")
def extractors() -> dict[str, Extractor]:
    return build_all(FeatureOptions(captions={"max_tokens": 8}))


class FirstNumber:
    """Answers with the first number of each caption's feature, three times as sure as it should be."""

    def logits(self, features: Any) -> Any:
        return np.stack([features["captions"].values[:, 0], np.zeros(len(features), np.float32)], axis=1)


class Recorder(Linear):
    """Notes what it is given, and learns nothing."""

    given: list[Any] = []  # noqa: RUF012

    def fit(self, train: Examples, validation: Examples, kind: Kind, options: Any, seed: int) -> Fitted:
        first = [side.features["captions"].values[:, 0].tolist() for side in (train, validation)]
        self.given.append([*first, train.targets.tolist(), validation.targets.tolist(), kind, seed])
        return Fitted({}, {"nothing": np.zeros(1, np.float32)}, [])

    def load(self, config: Any, weights: Any) -> Any:
        return FirstNumber()


def feed(splits: list[str], labels: list[str], kind: Kind, store: FeatureStore, extractors: Any) -> TrainingData:
    """Clips whose first number is their place."""
    rows = [
        {"clip_id": f"c{place:03}", "split": split, "text_sha256": f"t{place}"} for place, split in enumerate(splits)
    ]
    clips = table([{"media_sha256": "", "has_audio": False, "bytes": 0} | row for row in rows], CLIPS)
    values = np.zeros((len(rows), 384), dtype=np.float32)
    values[:, 0] = np.arange(len(rows))
    store.append(extractors["captions"].identity, clips["text_sha256"].tolist(), values)
    said = pd.DataFrame({"clip_id": clips["clip_id"], "capability": "x", "label": labels, "probabilities": ""})
    said["source"] = "human"
    mixed = said.sample(frac=1, random_state=0)
    return training_data("x", Capability(kind=kind, classes=("b", "a")), clips, mixed)


def test_rows_of_training_teach_and_rows_of_validation_only_choose(
    tmp_path: Any, extractors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, "recorder", Recorder)
    Recorder.given.clear()
    splits = ["train", "validation", "train", "test", "validation", "train"]
    store = FeatureStore(tmp_path)
    data = feed(splits, ["a", "b", "b", "b", "a", "a"], Kind.SINGLE, store, extractors)
    train(data, store, extractors, TrainOptions.model_construct(family="recorder", threads=1, groups={}), 5)
    assert Recorder.given == [
        [[0, 2, 5], [1, 4], [[0, 1], [1, 0], [0, 1]], [[1, 0], [0, 1]], Kind.SINGLE, 5],
    ]


def test_temperature_and_thresholds_are_those_of_the_validation_clips(
    tmp_path: Any, extractors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, "recorder", Recorder)
    validation = np.arange(200) % 2 == 1
    splits = np.where(validation, "validation", "train").tolist()
    labels = np.where(np.arange(200) % 3 == 0, "a|b", "none").tolist()
    store = FeatureStore(tmp_path)
    data = feed(splits, labels, Kind.MULTI, store, extractors)
    options = TrainOptions.model_construct(family="recorder", threads=1, groups={})
    bundle = train(data, store, extractors, options, 5)
    logits = np.stack([np.arange(200), np.zeros(200)], axis=1).astype(np.float32)[validation]
    truth = np.tile((np.arange(200) % 3 == 0)[validation, None], 2).astype(np.float32)
    scale = probabilities.temperature(logits, truth, Kind.MULTI)
    scaled = probabilities.logits_to_probabilities(logits, Kind.MULTI, scale)
    assert bundle.temperature == pytest.approx(scale)
    assert bundle.thresholds == probabilities.thresholds(scaled, truth, ("b", "a"))
    assert (bundle.classes, list(bundle.thresholds)) == (("b", "a"), ["b", "a"])


@pytest.mark.parametrize(
    "change",
    [
        {"name": "y"},
        {"capability": Capability(classes=("a", "b"))},
        {"capability": Capability(kind=Kind.MULTI, classes=("b", "a"))},
        {"capability": Capability(classes=("b", "a"), decision={"abstain_below": 0.6})},
    ],
)
def test_what_is_learned_is_a_part_of_what_a_bundle_was_trained_on(tmp_path: Any, extractors: Any, change: Any) -> None:
    data = feed(["train", "validation"], ["a", "b"], Kind.SINGLE, FeatureStore(tmp_path), extractors)
    options = TrainOptions(family="linear", threads=1)
    before = fingerprint(data, extractors, options, 1)
    assert fingerprint(data, extractors, options, 1) == before
    assert fingerprint(replace(data, **change), extractors, options, 1) != before
    assert fingerprint(data, extractors, TrainOptions(family="linear", threads=2), 1) != before


def test_of_more_clips_than_memory_has_room_for_whole_units_of_both_splits_are_learned_from(
    tmp_path: Any, extractors: Any, caplog: pytest.LogCaptureFixture
) -> None:
    splits = ["train"] * 60 + ["validation"] * 20 + ["test"] * 20
    data = feed(splits, ["a", "b"] * 50, Kind.SINGLE, FeatureStore(tmp_path), extractors)
    data = replace(data, clips=data.clips.assign(group=[f"unit{place // 4}" for place in range(80)]))
    forty = TrainOptions(family="linear", threads=1, features_gb=40 * 4 * 384 / 1e9)
    captions = {"captions": extractors["captions"]}
    drawn = affordable(data, captions, forty)
    assert drawn.clips["split"].value_counts().to_dict() == {"train": 28, "validation": 8}
    assert drawn.clips["group"].value_counts().eq(4).all()
    assert drawn.clips["clip_id"].is_monotonic_increasing
    assert "of 80 labelled clips 36 are learned from: the features of all take 0.000123 GB" in caplog.text
    assert drawn.unlabelled == data.unlabelled
    pd.testing.assert_frame_equal(affordable(data, captions, forty).clips, drawn.clips)
    assert affordable(data, captions, TrainOptions(family="linear", threads=1)) is data


def test_a_machine_that_has_less_memory_than_training_may_take_is_told_of(
    tmp_path: Any, extractors: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = feed(["train"] * 20, ["a", "b"] * 10, Kind.SINGLE, FeatureStore(tmp_path), extractors)
    options = TrainOptions(family="linear", threads=1)
    affordable(data, {"captions": extractors["captions"]}, options)
    assert not caplog.text
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=1e9))
    affordable(data, {"captions": extractors["captions"]}, options)
    assert "may take 1 GB of memory, and this machine has 1. Where it is ended for that, lower" in caplog.text


def test_words_of_captions_count_for_the_room_that_clips_need(tmp_path: Any, extractors: Any) -> None:
    data = feed(["train"] * 20, ["a", "b"] * 10, Kind.SINGLE, FeatureStore(tmp_path), extractors)
    data = replace(data, clips=data.clips.assign(group=[f"unit{place}" for place in range(20)]))
    words = {"caption_text": build_all(FeatureOptions())["caption_text"]}
    assert len(affordable(data, words, TrainOptions(family="linear", features_gb=13e-6)).clips) == 10


class Crossed(Recorder):
    """Predicts of each clip its own first number, as if by a model that had not seen it."""

    def fit(self, train: Examples, validation: Examples, kind: Kind, options: Any, seed: int) -> Fitted:
        both = train.joined(validation).features["captions"].values[:, 0]
        return replace(
            super().fit(train, validation, kind, options, seed), cross_fitted=np.stack([both, -both], axis=1)
        )


def test_predictions_of_unseen_clips_are_kept_by_content(
    tmp_path: Any, extractors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, "crossed", Crossed)
    splits = ["train", "validation", "train", "test", "validation", "train"]
    data = feed(splits, ["a", "b", "b", "b", "a", "a"], Kind.SINGLE, FeatureStore(tmp_path), extractors)
    options = TrainOptions.model_construct(family="crossed", threads=1, groups={})
    bundle = train(data, FeatureStore(tmp_path), extractors, options, 5)
    kept = dict(zip(bundle.learned_from, bundle.cross_fitted[:, 0].tolist(), strict=True))
    keys = content_keys(data.clips)
    assert [kept[key] for key in keys] == [0, 1, 2, 4, 5]


def test_clips_that_nobody_asked_about_are_no_part_of_calibration() -> None:
    features = ClipFeatures({}, 3)
    training = Examples(features, np.eye(2, dtype=np.float32)[[0, 1, 1]])
    logits = np.array([[2, -2], [np.nan, np.nan], [-1, 1], [0, 3]], dtype=np.float32)
    validation = Examples(ClipFeatures({}, 1), np.eye(2, dtype=np.float32)[[0]])
    said, truth = unseen_predictions(Fitted({}, {}, [], logits), Linear(), training, validation, Kind.SINGLE)
    np.testing.assert_array_equal(said, logits[[0, 2, 3]])
    assert truth.tolist() == [[1, 0], [0, 1], [1, 0]]


def test_a_model_that_stays_finds_its_checkpoint_where_it_lies_now(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, make_bundle: Any
) -> None:
    before, now = (
        FeatureOptions(image_text={"checkpoint": {"name": str(tmp_path / name)}, "device": "cpu"})
        for name in ("before", "now")
    )
    shutil.copytree(tiny_checkpoints["clip"], tmp_path / "before")
    bundle = make_bundle(extracted=before)
    assert with_inputs_at_hand(bundle, build_all(before)) is bundle
    (tmp_path / "before").rename(tmp_path / "now")
    found = with_inputs_at_hand(bundle, build_all(now))
    assert found.extractors()["image_text"].identity.fingerprint == bundle.inputs["image_text"].fingerprint
    assert found.trained_on == bundle.trained_on
    assert found.version != bundle.version


@pytest.mark.parametrize(
    ("family", "counts"),
    [("zero_shot", True), ("linear", False), ("ensemble", True)],
)
def test_descriptions_count_where_a_family_reads_them(
    family: str, counts: bool, tmp_path: Path, tiny_checkpoints: dict[str, Path]
) -> None:
    checkpoint = {"name": str(tiny_checkpoints["clip"])}
    extractors = build_all(FeatureOptions(image_text={"checkpoint": checkpoint, "device": "cpu"}))
    options = TrainOptions(family=family, ensemble={"members": {"linear": {}, "zero_shot": {}}}, threads=1)
    clips = table([{"clip_id": "a", "media_sha256": "m", "text_sha256": "", "split": "train", "bytes": 1}
                   | {"has_audio": False}], CLIPS)  # fmt: skip
    clips = clips.assign(label="pets", probabilities="", source="human")
    bare = TrainingData("topic", Capability(classes=("pets", "cars")), clips)
    told = replace(bare, capability=Capability(classes=("pets", "cars"), class_descriptions={"pets": "cats and dogs"}))
    found = {fingerprint(data, extractors, options, 0) for data in (bare, told)}
    assert len(found) == (2 if counts else 1)


def test_families_are_told_the_classes_and_which_features_they_read(
    tmp_path: Path, extractors: dict[str, Extractor], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    class Curious(Recorder):
        def fit(self, train: Examples, validation: Examples, kind: Kind, options: Any, seed: int) -> Fitted:
            seen.append(train)
            return super().fit(train, validation, kind, options, seed)

    monkeypatch.setitem(FAMILIES, "linear", Curious)
    store = FeatureStore(tmp_path)
    data = feed(["train", "train", "validation"], ["a", "b", "b"], Kind.SINGLE, store, extractors)
    words = {"a": "cats and dogs"}
    data = replace(data, capability=data.capability.model_copy(update={"class_descriptions": words}))
    train(data, store, extractors, TrainOptions(family="linear", threads=1), 0)
    (examples,) = seen
    assert (examples.classes, examples.descriptions) == (data.capability.classes, words)
    assert examples.inputs["captions"].fingerprint == extractors["captions"].identity.fingerprint


class Sure(Recorder):
    """Answers "b" of every clip, the surer the greater its first number, as if by a model that had not seen it."""

    def fit(self, train: Examples, validation: Examples, kind: Kind, options: Any, seed: int) -> Fitted:
        place = train.joined(validation).features["captions"].values[:, 0]
        return Fitted({}, {"nothing": np.zeros(1, np.float32)}, [], np.stack([place / 100, 0 * place], axis=1))


def test_a_goal_sets_thresholds_by_peoples_labels_alone(
    tmp_path: Any, extractors: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the surer half all are right and of the other none; machines' labels say the contrary."""
    monkeypatch.setitem(FAMILIES, "sure", Sure)
    splits, by_people = ["train", "validation"] * 200, np.arange(400) % 4 < 2
    labels = np.where((np.arange(400) >= 200) == by_people, "b", "a").tolist()
    store = FeatureStore(tmp_path)
    data = feed(splits, labels, Kind.SINGLE, store, extractors)
    clips = data.clips.assign(source=np.where(by_people, "human", "llm"), group=[f"g{one}" for one in range(400)])
    goal = {"target": "precision", "at_least": 0.9}
    capability = Capability(classes=("b", "a"), decision=goal)
    options = TrainOptions.model_construct(family="sure", threads=1, groups={})
    bundle = train(replace(data, clips=clips, capability=capability), store, extractors, options, 5)
    logits = np.stack([np.arange(400) / 100, np.zeros(400)], axis=1).astype(np.float32)
    said = probabilities.logits_to_probabilities(logits, Kind.SINGLE, bundle.temperature)
    named = decide(said, bundle.answers, bundle.thresholds)
    assert 190 <= named.holds[:, 0].sum() <= 215
    assert named.holds[200:, 0].all()
    assert (bundle.thresholds["a"], set(named.labels)) == (1.0, {"b", "abstain"})
    assert "x: no threshold of 'a' is known to keep a precision of 0.9 with 95 % confidence" in caplog.text


def test_sets_rest_on_peoples_labels_of_units_and_few_of_them_leave_out_no_class(
    tmp_path: Any, extractors: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the surer half all are right, so a set that leaves out one clip in ten has both classes where it is unsure."""
    monkeypatch.setitem(FAMILIES, "sure", Sure)
    labels = np.where(np.arange(400) % 20 == 0, "a", "b").tolist()
    store = FeatureStore(tmp_path)
    data = feed(["train", "validation"] * 200, labels, Kind.SINGLE, store, extractors)
    alone = data.clips.assign(group=[f"g{one}" for one in range(400)])
    capability = Capability(classes=("b", "a"), decision={"set_coverage": 0.9})
    options = TrainOptions.model_construct(family="sure", threads=1, groups={})
    usual = train(data, store, extractors, options, 5)
    bundle = train(replace(data, clips=alone, capability=capability), store, extractors, options, 5)
    assert usual.set_threshold is None
    assert 0.4 < bundle.set_threshold < 0.6
    assert bundle.thresholds == {}, "sets withhold no answer"
    bundle.save(tmp_path / "bundle")
    assert Bundle.load(tmp_path / "bundle").set_threshold == bundle.set_threshold
    together = data.clips.assign(group=[f"g{one % 5}" for one in range(400)])
    few = train(replace(data, clips=together, capability=capability), store, extractors, options, 5)
    assert few.set_threshold == 0
    assert "x: 5 units with people's labels leave no class out of a set that holds the right one 90 %" in caplog.text


@pytest.mark.parametrize(("by_people", "right"), [(200, True), (90, False)])
def test_wrong_labels_of_machines_make_no_model_less_sure_where_people_have_labelled_enough(
    tmp_path: Any, extractors: Any, monkeypatch: pytest.MonkeyPatch, by_people: int, right: bool
) -> None:
    """People agree with the model on nine clips in ten, machines on half of theirs."""
    monkeypatch.setitem(FAMILIES, "sure", Sure)
    people = np.arange(400) % 400 < by_people
    wrong = np.where(people, np.arange(400) % 10 == 0, np.arange(400) % 2 == 0)
    places = np.random.default_rng(0).permutation(400)  # so that the model is as sure of both
    store = FeatureStore(tmp_path)
    data = feed(
        ["train", "validation"] * 200, np.where(wrong, "a", "b")[places].tolist(), Kind.SINGLE, store, extractors
    )
    clips = data.clips.assign(source=np.where(people, "human", "llm")[places], group=[f"g{one}" for one in range(400)])
    options = TrainOptions.model_construct(family="sure", threads=1, groups={})
    mixed = train(replace(data, clips=clips), store, extractors, options, 5)
    alone = train(
        replace(data, clips=clips[clips["source"] == "human"].reset_index(drop=True)), store, extractors, options, 5
    )
    assert (mixed.temperature == pytest.approx(alone.temperature, rel=1e-3)) == right
    assert right or mixed.temperature > 1.2 * alone.temperature


def test_answers_below_a_probability_are_withheld_and_nothing_else_changes(
    tmp_path: Any, extractors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, "sure", Sure)
    store = FeatureStore(tmp_path)
    data = feed(["train", "validation"] * 20, ["a", "b"] * 20, Kind.SINGLE, store, extractors)
    options = TrainOptions.model_construct(family="sure", threads=1, groups={})
    usual = train(data, store, extractors, options, 5)
    withheld = Capability(classes=("b", "a"), decision={"abstain_below": 0.7})
    careful = train(replace(data, capability=withheld), store, extractors, options, 5)
    assert (usual.thresholds, careful.thresholds) == ({}, {"b": 0.7, "a": 0.7})
    assert careful.temperature == usual.temperature
