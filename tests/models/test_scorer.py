from dataclasses import replace

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.models.scorer import Scorer


@pytest.fixture
def bundles(make_bundle):
    several = make_bundle("safety", Kind.MULTI, ("advert", "violence"), thresholds={"advert": 0.4, "violence": 0.6})
    return {"topic": make_bundle(), "safety": several}


@pytest.fixture
def features():
    random = np.random.default_rng(0)
    both = np.array([True, True, False, True])
    frames = random.normal(size=(4, 8, 1280)).astype(np.float32)
    caption = random.normal(size=(4, 384)).astype(np.float32)
    motion = random.normal(size=(4, 8, 84)).astype(np.float32)
    return ClipFeatures(
        {"frames": Feature(frames, both), "motion": Feature(motion, both), "captions": Feature(caption, ~both)}, 4
    )


def test_single_probabilities_sum_to_one_and_differ_between_clips(bundles, features):
    probabilities = Scorer(bundles["topic"]).probabilities(features)
    assert probabilities.shape == (4, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    assert np.ptp(probabilities, axis=0).max() > 0.01


def test_multi_probabilities_are_independent(bundles, features):
    probabilities = Scorer(bundles["safety"]).probabilities(features)
    assert ((probabilities > 0) & (probabilities < 1)).all()
    assert np.abs(probabilities.sum(1) - 1).max() > 0.01


def test_a_score_repeats_and_ignores_the_neighbours(bundles, features):
    scorer = Scorer(bundles["topic"])
    together = scorer.probabilities(features)
    np.testing.assert_array_equal(scorer.probabilities(features), together)
    alone = np.concatenate([scorer.probabilities(features.take([row])) for row in range(4)])
    np.testing.assert_allclose(alone, together, atol=1e-6)


def test_the_temperature_tempers(bundles, features):
    sure, doubtful = (
        Scorer(replace(bundles["topic"], temperature=value)).probabilities(features).max(1) for value in (0.5, 5.0)
    )
    assert (sure > doubtful).all()


def test_no_clips_give_no_scores(bundles, features):
    assert Scorer(bundles["topic"]).probabilities(features.take([])).shape == (0, 3)


def test_labels_use_the_bundles_thresholds(bundles):
    rows = np.array([[0.5, 0.5], [0.41, 0.61], [0.3, 0.5]])
    assert Scorer(bundles["safety"]).decide(rows).labels == ["advert", "advert|violence", "none"]
