"""Learning curves of a model of invented captions, whose class shows in one dimension and much noise."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability
from cu_pipeline.evaluation.insight_options import CurveOptions
from cu_pipeline.evaluation.measurement import EvaluateOptions
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput, FeatureOptions, build_all
from cu_pipeline.inference.growing_shares import CurveClips, measure_curve, why_no_curve
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.models.linear import Linear, LinearOptions
from cu_pipeline.models.training import labelled_examples, training_data
from cu_pipeline.pipelines.evaluate.insights import measure_learning_curves

CLASSES = ("cooking", "sport")
OPTIONS = CurveOptions(shares=(0.1, 0.3, 1.0), orders=2)
CLIPS, TEST = 180, 60


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Bundle, clips and store: 240 clips of 60 creators, the last 15 of which are for testing."""
    random = np.random.default_rng(0)
    rows = np.arange(CLIPS + TEST)
    truth = random.integers(2, size=len(rows))
    extractor = build_all(FeatureOptions(captions={"max_tokens": 8}))["captions"]
    vectors = random.normal(0, 1, (len(rows), *extractor.identity.shape)).astype(np.float32)
    vectors[:, :12] += np.where(truth, 1, -1)[:, None]
    store = FeatureStore(tmp_path_factory.mktemp("features"))
    store.append(extractor.identity, [f"t{row}" for row in rows], vectors)
    clips = pd.DataFrame({"clip_id": [f"c{row:03}" for row in rows], "text_sha256": [f"t{row}" for row in rows]})
    clips = clips.assign(media_sha256="", group=[f"g{row // 4}" for row in rows], text="")
    clips["split"] = np.where(rows < CLIPS, "train", "test")
    labels = clips[["clip_id"]].assign(capability="topic", label=[CLASSES[one] for one in truth], probabilities="")
    labels["source"] = "human"
    test = clips.merge(labels[["clip_id", "label"]], on="clip_id")
    test = test[test["split"] == "test"]
    capability = Capability(classes=CLASSES)
    data = training_data("topic", capability, clips, labels)
    inputs = {"captions": FeatureInput.of(extractor)}
    examples = labelled_examples(data, store, inputs)
    fitted = Linear().fit(examples, examples.take([]), capability.kind, LinearOptions(strengths=(1.0,), folds=2), 0)
    bundle = Bundle("topic", capability.kind, CLASSES, "linear", fitted.config, fitted.weights, inputs)
    return bundle, CurveClips.of(data, test), store


def with_labels(clips, **values):
    return CurveClips(replace(clips.data, clips=clips.data.clips.assign(**values)))


def test_accuracy_grows_with_the_clips_and_all_that_people_labelled_are_asked(world):
    bundle, clips, store = world
    curve = measure_curve(bundle, clips, store, OPTIONS, seed=0)
    accuracy = curve.right.mean(axis=0)
    assert accuracy[0] < accuracy[1] < accuracy[2]
    assert accuracy[2] > 0.8
    assert len(curve.right) == CLIPS + TEST
    assert curve.clips == pytest.approx([9, 27, 90], abs=4), "of half of the clips, the others being asked"
    assert curve.units == pytest.approx(curve.clips / 4)
    assert clips.known == CLIPS
    again = measure_curve(bundle, clips, store, OPTIONS, seed=0)
    assert np.array_equal(curve.right, again.right)


def test_only_what_people_said_counts_as_right(world):
    bundle, clips, store = world
    sources = np.where(clips.data.clips["split"] == "test", "human", "llm")
    curve = measure_curve(bundle, with_labels(clips, source=sources), store, OPTIONS, seed=0)
    assert len(curve.right) == TEST


def test_shuffled_labels_give_a_flat_curve(world):
    bundle, clips, store = world
    shuffled = np.random.default_rng(1).permutation(clips.data.clips["label"])
    curve = measure_curve(bundle, with_labels(clips, label=shuffled), store, OPTIONS, seed=0)
    assert curve.right.mean(axis=0) == pytest.approx([0.5, 0.5, 0.5], abs=0.12)


def test_when_the_time_is_over_no_larger_share_is_begun(world):
    bundle, clips, store = world
    curve = measure_curve(bundle, clips, store, OPTIONS.model_copy(update={"seconds": 1e-6}), seed=0)
    assert len(curve.clips) == 1
    assert curve.to_json(CLIPS, 1000)["forecast"] is None


def test_a_whole_curve_of_the_same_model_and_labels_is_not_measured_again(world):
    bundle, clips, store = world
    options = EvaluateOptions(insights={"learning_curve": OPTIONS})
    first = measure_learning_curves({"topic": clips}, {"topic": bundle}, store, {}, options, 0)
    known = {"topic": {"learning_curve": first["topic"]}}
    nowhere = FeatureStore(store.root / "nothing")
    assert measure_learning_curves({"topic": clips}, {"topic": bundle}, nowhere, known, options, 0) == first
    other = with_labels(clips, label="cooking")
    assert other.fingerprint(bundle, OPTIONS, 0) != clips.fingerprint(bundle, OPTIONS, 0)
    cut = {"topic": {"learning_curve": first["topic"] | {"points": first["topic"]["points"][:1]}}}
    assert measure_learning_curves({"topic": clips}, {"topic": bundle}, store, cut, options, 0) == first


def test_a_curve_that_was_cut_short_takes_no_longer_ones_place(world):
    bundle, clips, store = world
    hurried = EvaluateOptions(insights={"learning_curve": OPTIONS.model_copy(update={"seconds": 1e-6})})
    cut = measure_learning_curves({"topic": clips}, {"topic": bundle}, store, {}, hurried, 0)
    assert len(cut["topic"]["points"]) == 1
    longer = cut["topic"] | {"points": cut["topic"]["points"] * 2}
    known = {"topic": {"learning_curve": longer}}
    assert measure_learning_curves({"topic": clips}, {"topic": bundle}, store, known, hurried, 0) == {"topic": longer}
    of_another = {"topic": {"learning_curve": longer | {"of": "other labels"}}}
    assert measure_learning_curves({"topic": clips}, {"topic": bundle}, store, of_another, hurried, 0) == cut


def test_clips_of_two_creators_and_models_of_an_earlier_format_give_no_curve(world):
    bundle, clips, store = world
    assert measure_curve(replace(bundle, model={"inputs": {}}), clips, store, OPTIONS, seed=0) is None
    assert measure_curve(bundle, with_labels(clips, group="one"), store, OPTIONS, seed=0) is None


def test_why_there_is_no_curve_is_told(world):
    bundle, clips, _ = world
    assert why_no_curve(bundle, clips, OPTIONS) == ""
    assert "seconds is 0" in why_no_curve(bundle, clips, CurveOptions(seconds=0))
    assert "models of family fusion" in why_no_curve(replace(bundle, family="fusion"), clips, OPTIONS)
    assert "fewer than 12 creators" in why_no_curve(bundle, with_labels(clips, group="one"), OPTIONS)
    assert "no clip has a label by people" in why_no_curve(bundle, with_labels(clips, source="llm"), OPTIONS)


def test_shares_that_do_not_grow_are_refused():
    with pytest.raises(ValueError, match="do not grow"):
        CurveOptions(shares=(0.5, 0.25))
