import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.evaluation.comparison import compare
from cu_pipeline.evaluation.metrics import ScoredClips


def of(right):
    right = np.asarray(right, dtype=bool)
    return ScoredClips.decide(Kind.SINGLE, np.stack([right, ~right], axis=1), np.tile([0.9, 0.1], (len(right), 1)))


def told(random, units, gain, alike):
    """Two models on clips of units; the first is right more often by `gain`, and units share what they gain."""
    places = np.repeat(np.arange(units), random.integers(3, 12, units))
    shift = np.where(random.random(units) < 0.5, alike, -alike)[places]
    other = random.random(len(places)) < 0.6 - shift / 2
    return of(random.random(len(places)) < 0.6 + gain + shift / 2), of(other), places.astype(str)


def as_one_truth(one, other):
    """Let both models speak of the same clips: each is right where it was."""
    truth = np.tile([True, False], (len(one), 1))
    return (
        ScoredClips(Kind.SINGLE, truth, model.probabilities, truth == model.correct()[:, None])
        for model in (one, other)
    )


def test_a_gain_and_its_interval_agree_with_what_is_said_of_it():
    for seed in range(60):
        one, other, units = told(np.random.default_rng(seed), 4 + seed % 12, 0.2, 0.1)
        one, other = as_one_truth(one, other)
        found = compare(one, other, units)
        gain = found["gain"]
        low, high = gain["ci95"]
        assert gain["accuracy"] == pytest.approx(one.correct().mean() - other.correct().mean())
        assert -1 <= low <= gain["accuracy"] <= high <= 1
        assert found["shown_better"] == (low > 0) == (gain["p_value"] <= 0.025)


def test_a_model_that_is_no_better_is_rarely_said_to_be_and_one_that_is_mostly_is():
    """Units of which half favour one model and half the other, by 40 points: clips of a unit are alike."""
    runs, false, found = 300, 0, 0
    for seed in range(runs):
        for gain in (0.0, 0.3):
            one, other, units = told(np.random.default_rng(seed), 30, gain, 0.4)
            better = compare(*as_one_truth(one, other), units)["shown_better"]
            false += better and not gain
            found += better and bool(gain)
    assert false / runs <= 0.025 + 2 * np.sqrt(0.025 * 0.975 / runs)
    assert found / runs >= 0.8
