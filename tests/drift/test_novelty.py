import numpy as np
import pytest

from cu_pipeline.drift.novelty import NEIGHBOUR, distances, novelty_test
from cu_pipeline.drift.principal import leading_components


def test_distances_are_to_the_third_nearest_clip_of_another_unit():
    rng = np.random.default_rng(0)
    vectors, units = rng.normal(size=(50, 4)), rng.integers(0, 8, 50).astype(object)
    found = distances(vectors, units, 30)
    for clip in (0, 29, 30, 49):
        others = np.linalg.norm(vectors[:30][units[:30] != units[clip]] - vectors[clip], axis=1)
        assert found[clip] == pytest.approx(np.sort(others)[NEIGHBOUR - 1], rel=1e-4)


def test_five_in_a_hundred_clips_of_the_same_population_are_novel_and_far_ones_are_named():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(1500, 6))
    vectors[1490:] += 9
    units = np.arange(1500).astype(object)
    test = novelty_test("novelty_x", vectors, units[:1000], units[1000:])
    assert test.scores[:1000, 0].mean() == pytest.approx(0.05)
    assert test.scores[1000:1490, 0].mean() == pytest.approx(0.05, abs=0.03)
    assert set(test.novel[:10]) == set(range(490, 500))
    assert "5.0% → " in test.in_words


def test_leading_components_span_what_varies_most():
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(200, 3)) * [9, 5, 3]
    vectors = factors @ rng.normal(size=(3, 40)) + 0.01 * rng.normal(size=(200, 40))
    found = leading_components(vectors, 3)
    assert found.std(axis=0) == pytest.approx([1, 1, 1], rel=1e-3)
    _, left, *_ = np.linalg.lstsq(found, factors - factors.mean(axis=0), rcond=None)
    assert (left < 0.1).all()
    assert (leading_components(np.ones((9, 4)), 3) == 0).all()
