"""Answers of the product's own linear models: of others that have not seen a clip, and of the served one."""

import json

import numpy as np
import pandas as pd
from tests.drift.worlds import NOON, OPTIONS, look

from cu_pipeline.core.capability import Kind
from cu_pipeline.drift.compare import compare
from cu_pipeline.drift.prediction_tests import SURER
from cu_pipeline.drift.samples import ClipSample
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.models.family import Examples
from cu_pipeline.models.linear import Linear, LinearOptions
from cu_pipeline.models.probabilities import logits_to_probabilities

CLASSES = tuple("abcdefgh")
WIDTH = 60
WORLDS = range(6)


def clips(rng, n, creators, apart):
    of = rng.integers(creators, size=n)
    truth = rng.integers(len(CLASSES), size=n)
    vectors = rng.normal(size=(n, WIDTH)) + 0.5 * rng.normal(size=(creators, WIDTH))[of]
    vectors[np.arange(n), truth] += apart
    return of, truth, vectors.astype(np.float32)


def features(vectors):
    return ClipFeatures({"captions": Feature(vectors, np.ones(len(vectors), dtype=bool))}, len(vectors))


def sample(side, of, logits, vectors):
    shares = logits_to_probabilities(logits, Kind.SINGLE, 1.0)
    table = {
        "clip_id": [f"{side}{number}" for number in range(len(of))],
        "time": NOON,
        "group": [f"creator:{side}{number}" for number in of],
        "embedding": list(vectors),
        "parts": json.dumps({"captions@1": WIDTH}),
        "labels": [json.dumps({"topic": CLASSES[row.argmax()]}) for row in shares],
        "predictions": [json.dumps({"topic": dict(zip(CLASSES, map(float, row), strict=True))}) for row in shares],
        "split": "train",
    }
    return ClipSample(pd.DataFrame(table))


def looked(seed, apart=3.0):
    """Fit a model, and look at new clips of the same world, or of one whose classes lie closer."""
    rng = np.random.default_rng(seed)
    of, truth, vectors = clips(rng, 200, 66, 3.0)
    examples = Examples(features(vectors), np.eye(len(CLASSES), dtype=np.float32)[truth], of, CLASSES)
    fitted = Linear().fit(examples, examples.take([]), Kind.SINGLE, LinearOptions(strengths=(10.0,)), seed)
    now, _, seen = clips(rng, 1000, 300, apart)
    answers = Linear().load(fitted.config, fitted.weights).logits(features(seen))
    sides = sample("a", of, fitted.cross_fitted, vectors), sample("b", now, answers, seen)
    options = OPTIONS.model_copy(update={"facts": (), "prediction_splits": ("train",)})
    tests = compare({"topic": sides[0]}, sides[1], {"topic": Kind.SINGLE}, options, 0, look()).tests
    sure = [side.confidence("topic", Kind.SINGLE).mean() for side in sides]
    return {one.name: one for one in tests}, sure[1] - sure[0]


def test_a_served_model_that_is_surer_than_those_of_other_folds_is_no_drift():
    found = [looked(seed) for seed in WORLDS]
    assert np.mean([surer for _, surer in found]) > 0.01
    assert max(tests["confidence_topic"].effect for tests, _ in found) > SURER / 2
    assert not any(tests[name].drifted for tests, _ in found for name in ("confidence_topic", "label_topic"))


def test_a_model_that_becomes_much_less_sure_is_drift():
    tests, _ = looked(0, apart=1.0)
    assert tests["confidence_topic"].effect >= SURER
    assert tests["confidence_topic"].drifted
