import json

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.records import CLIPS, PREDICTIONS
from cu_pipeline.features.clip_features import ClipFeatures
from cu_pipeline.inference.batch import predict_table
from cu_pipeline.inference.score import Scorer


@pytest.fixture
def features():
    random = np.random.default_rng(0)
    yes = np.array([True] * 3)
    return ClipFeatures(
        random.normal(size=(3, 2, 1280)).astype(np.float32), yes, random.normal(size=(3, 384)).astype(np.float32), yes
    )


@pytest.fixture
def clips():
    rows = [{"clip_id": name, "split": split} for name, split in [("z", "train"), ("a", "test"), ("m", "validation")]]
    return pd.DataFrame(rows, columns=list(CLIPS), dtype="object")


def test_every_capability_of_every_clip_has_a_row_in_the_clips_order(clips, features, bundles):
    predictions = predict_table(clips, features, bundles)
    assert predictions.columns.tolist() == list(PREDICTIONS)
    assert predictions["clip_id"].tolist() == ["z", "a", "m"] * 2
    assert predictions["split"].tolist() == ["train", "test", "validation"] * 2
    assert predictions["capability"].tolist() == ["topic"] * 3 + ["safety"] * 3
    versions = predictions.groupby("capability")["model_version"].unique().to_dict()
    assert versions == {name: [bundle.version] for name, bundle in bundles.items()}


def test_rows_hold_what_the_scorer_says(clips, features, bundles):
    predictions = predict_table(clips, features, bundles)
    for name, bundle in bundles.items():
        own = predictions[predictions["capability"] == name]
        expected = Scorer(bundle).probabilities(features)
        given = [json.loads(text) for text in own["probabilities"]]
        np.testing.assert_array_equal([[row[one] for one in bundle.classes] for row in given], expected)
        np.testing.assert_array_equal(own["probability"], expected.max(1))
        assert own["label"].tolist() == Scorer(bundle).labels(expected)


def test_no_clips_and_no_bundles_give_an_empty_table(clips, features, bundles):
    assert predict_table(clips, features, {}).columns.tolist() == list(PREDICTIONS)
    nothing = predict_table(clips.iloc[:0], features.take([]), bundles)
    assert (len(nothing), nothing.columns.tolist()) == (0, list(PREDICTIONS))
