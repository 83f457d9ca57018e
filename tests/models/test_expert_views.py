"""What linear experts look at is the same however many clips are looked at together."""

import numpy as np
import pytest

from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.models import expert_views
from cu_pipeline.models.expert_views import STATISTICS, Standardised, View, learn_reading


def vectors(count, shape, seed=0):
    values = np.random.default_rng(seed).normal(3, 2, (count, *shape)).astype(np.float32)
    return Feature(values, np.ones(count, dtype=bool))


@pytest.mark.parametrize(("count", "width"), [(1, 5), (7, 5), (1000, 384), (1001, 3)])
def test_means_and_deviations_are_those_of_numpy_to_the_last_bit(count, width, monkeypatch):
    monkeypatch.setattr(expert_views, "BLOCK", 64)
    feature = vectors(count, (width,))
    found = Standardised.fit(feature)
    spread = np.maximum(feature.values.std(axis=0), 1e-3) * np.sqrt(width)
    np.testing.assert_array_equal(found.mean, feature.values.mean(axis=0))
    np.testing.assert_array_equal(found.scale, spread.astype(np.float32))


def test_more_rows_than_single_precision_adds_up_are_added_in_double(monkeypatch):
    monkeypatch.setattr(expert_views, "_MOST_SINGLE", 100)
    feature = vectors(2000, (4,))
    found = Standardised.fit(feature)
    np.testing.assert_array_equal(found.mean, feature.values.mean(axis=0, dtype=np.float64).astype(np.float32))
    deviation = feature.values.std(axis=0, dtype=np.float64)
    np.testing.assert_allclose(found.scale, deviation * 2, rtol=1e-6)


@pytest.mark.parametrize("many", [True, False])
def test_a_matrix_made_by_blocks_is_that_of_all_rows_at_once(many, monkeypatch):
    feature = vectors(300, (6,))
    absent = np.arange(300) % 7 == 0
    feature = Feature(np.where(absent[:, None], 0, feature.values), ~absent)
    whole_reading, whole = learn_reading(View("captions", "vector"), feature, many=many)
    monkeypatch.setattr(expert_views, "BLOCK", 64)
    reading, found = learn_reading(View("captions", "vector"), feature, many=many)
    assert found.dtype == (np.float32 if many else np.float64)
    np.testing.assert_array_equal(found, whole)
    np.testing.assert_array_equal(reading.matrix(feature), whole_reading.matrix(feature))
    assert not reading.matrix(feature)[absent].any()


@pytest.mark.parametrize("form", STATISTICS)
def test_statistics_of_sequences_by_blocks_are_those_of_all_at_once(form, monkeypatch):
    features = ClipFeatures({"frames": vectors(257, (4, 5))}, 257)
    whole = View("frames", form).of(features).values
    monkeypatch.setattr(expert_views, "BLOCK", 64)
    np.testing.assert_array_equal(View("frames", form).of(features).values, whole)
