import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.records import CLIPS, PREDICTIONS
from cu_pipeline.core.scope import Scope
from cu_pipeline.features.clip_features import read_features
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import build_all
from cu_pipeline.inference.predictions_table import cross_fitted_answers, predict_table
from cu_pipeline.models.bundle import content_keys
from cu_pipeline.models.scorer import Scorer


@pytest.fixture
def clips():
    rows = [{"clip_id": name, "split": split} for name, split in [("z", "train"), ("a", "test"), ("m", "validation")]]
    keys = {"media_sha256": ["m0", "m1", "m2"], "text_sha256": ["t0", "t1", ""]}
    return pd.DataFrame(rows, columns=list(CLIPS), dtype="object").assign(**keys)


@pytest.fixture
def store(tmp_path, extracted, clips):
    random, store = np.random.default_rng(0), FeatureStore(tmp_path)
    for name, extractor in build_all(extracted).items():
        keys = [key for key in clips["media_sha256" if name == "frames" else "text_sha256"] if key]
        values = random.normal(size=(len(keys), *extractor.identity.shape)).astype(np.float32)
        store.append(extractor.identity, keys, values)
    return store


def test_every_capability_of_every_clip_has_a_row_in_the_clips_order(clips, store, bundles):
    predictions = predict_table(clips, store, bundles)
    assert predictions.columns.tolist() == list(PREDICTIONS)
    assert predictions["clip_id"].tolist() == ["z", "a", "m"] * 2
    assert predictions["split"].tolist() == ["train", "test", "validation"] * 2
    assert predictions["capability"].tolist() == ["topic"] * 3 + ["safety"] * 3
    versions = predictions.groupby("capability")["model_version"].unique().to_dict()
    assert versions == {name: [bundle.version] for name, bundle in bundles.items()}


def test_rows_hold_what_the_scorer_says(clips, store, bundles):
    predictions = predict_table(clips, store, bundles)
    for name, bundle in bundles.items():
        own = predictions[predictions["capability"] == name]
        expected = Scorer(bundle).probabilities(read_features(clips, store, bundle.inputs))
        given = [json.loads(text) for text in own["probabilities"]]
        np.testing.assert_array_equal([[row[one] for one in bundle.classes] for row in given], expected)
        np.testing.assert_array_equal(own["probability"], expected.max(1))
        assert own["label"].tolist() == Scorer(bundle).decide(expected).labels


def test_sets_are_in_the_table_where_a_model_gives_them(clips, store, bundles):
    sets = bundles | {"topic": replace(bundles["topic"], set_threshold=0.0)}
    told = predict_table(clips, store, sets).groupby("capability")["prediction_set"].agg(list)
    assert [sorted(json.loads(one)) for one in told["topic"]] == [sorted(bundles["topic"].classes)] * 3
    assert told["safety"] == [""] * 3


def test_no_clips_and_no_bundles_give_an_empty_table(clips, store, bundles):
    assert predict_table(clips, store, {}).columns.tolist() == list(PREDICTIONS)
    nothing = predict_table(clips.iloc[:0], store, bundles)
    assert (len(nothing), nothing.columns.tolist()) == (0, list(PREDICTIONS))


def test_only_clips_inside_a_models_scope_are_predicted(clips, store, bundles):
    clips = clips.assign(feed=["videos.csv" if place % 2 else "texts.csv" for place in range(len(clips))])
    limited = bundles | {"topic": bundles["topic"].scoped(Scope(feeds=("videos.csv",)))}
    predictions = predict_table(clips, store, limited)
    pairs = list(zip(predictions["capability"], predictions["clip_id"], strict=True))
    assert pairs == [("topic", "a"), ("safety", "z"), ("safety", "a"), ("safety", "m")]


def test_of_clips_that_a_model_learned_from_it_says_what_it_would_have_said_before(clips, store, bundles):
    topic = bundles["topic"]
    keys = content_keys(clips)
    logits = np.full((2, len(topic.classes)), np.nan, dtype=np.float32)
    logits[0] = [0, 0, 5]
    learned = replace(topic, learned_from=(keys[0], keys[2]), cross_fitted=logits, temperature=2.0)
    models = bundles | {"topic": learned}
    before = predict_table(clips, store, models)
    after = cross_fitted_answers(before, clips, learned)
    assert after[["clip_id", "capability"]].to_numpy().tolist() == [["z", "topic"]]
    row = after.iloc[0]
    assert before.loc[row.name, "probabilities"] != row["probabilities"]
    assert row["label"] == topic.classes[2]
    right = np.exp(2.5) / (np.exp(2.5) + 2)
    assert json.loads(row["probabilities"])[topic.classes[2]] == pytest.approx(right)
    assert row["probability"] == pytest.approx(right)
    assert cross_fitted_answers(before, clips, topic).empty
