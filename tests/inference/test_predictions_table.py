"""The table of predictions, of few clips and of so many that their features do not fit in memory at once."""

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.scope import Scope
from cu_pipeline.features import clip_features
from cu_pipeline.features.extractor import Identity
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.inference.predictions_table import predict_table
from cu_pipeline.models.bundle import Bundle

COUNT = 23


@pytest.fixture
def store(tmp_path):
    """Features of all clips but the first four."""
    found = FeatureStore(tmp_path)
    identity = Identity(name="captions", version=1, shape=(3,), weights_sha256="w")
    values = np.random.default_rng(0).normal(size=(COUNT, 3)).astype(np.float32)
    found.append(identity, [f"t{row}" for row in range(4, COUNT)], values[4:])
    return found, FeatureInput("captions", identity.fingerprint, (3,), {})


def bundle(capability, read, scope=None):
    weights = {
        "captions.vector/mean": np.zeros(3, dtype=np.float32),
        "captions.vector/scale": np.ones(3, dtype=np.float32),
        "captions.vector/slopes": np.eye(3, 2, dtype=np.float32),
        "captions.vector/intercepts": np.zeros(2, dtype=np.float32),
        "pool/weights": np.ones(1, dtype=np.float32),
        "pool/bias": np.zeros(2, dtype=np.float32),
    }
    config = {"kind": "single", "experts": [{"feature": "captions", "form": "vector"}]}
    made = Bundle(capability, Kind.SINGLE, ("cooking", "sport"), "linear", config, weights, {"captions": read})
    return made if scope is None else made.scoped(scope)


def clips():
    rows = range(COUNT)
    return pd.DataFrame(
        {
            "clip_id": [f"c{row}" for row in rows],
            "text_sha256": [f"t{row}" for row in rows],
            "media_sha256": "",
            "split": "train",
            "lang": ["de" if row % 3 else "en" for row in rows],
        }
    )


def test_many_clips_are_predicted_in_turn_as_all_at_once(store, monkeypatch):
    place, read = store
    bundles = {"topic": bundle("topic", read), "mood": bundle("mood", read, Scope(languages=("en",)))}
    whole = predict_table(clips(), place, bundles)
    assert whole["capability"].tolist() == ["topic"] * COUNT + ["mood"] * 8
    monkeypatch.setattr(clip_features, "BLOCK", 4)
    monkeypatch.setattr(clip_features, "_TOGETHER", 1)
    pd.testing.assert_frame_equal(predict_table(clips(), place, bundles), whole)


def test_features_of_no_clip_at_all_are_told_and_not_predicted_without(store):
    place, read = store
    with pytest.raises(StoreError, match="4 of 4 features of 'captions' are not stored"):
        predict_table(clips()[:4], place, {"topic": bundle("topic", read)})
