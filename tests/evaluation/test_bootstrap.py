import numpy as np
import pytest
from scipy.stats import norm

from cu_pipeline.core.capability import Kind
from cu_pipeline.evaluation.bootstrap import Bootstrap
from cu_pipeline.evaluation.metrics import METRICS, ScoredClips

ACCURACY = {"accuracy": METRICS["accuracy"]}


def of(right):
    """Answers that are right where `right` says so, all for the first of two classes."""
    right = np.asarray(right, dtype=bool)
    truth = np.stack([right, ~right], axis=1)
    return ScoredClips.decide(Kind.SINGLE, truth, np.tile([0.9, 0.1], (len(right), 1)))


def guessed(n, classes, seed=0):
    random = np.random.default_rng(seed)
    truth = np.eye(classes, dtype=bool)[random.integers(0, classes, n)]
    return ScoredClips.decide(Kind.SINGLE, truth, random.dirichlet(np.ones(classes), n))


def names(places):
    return np.asarray(places).astype(str)


def test_many_units_of_one_clip_have_the_interval_of_a_binomial():
    low, high = Bootstrap(0, 2000).intervals(of(np.arange(1000) < 700), ACCURACY, names(range(1000)))["accuracy"]
    half = norm.isf(0.025) * np.sqrt(0.7 * 0.3 / 1000)
    assert [low, high] == pytest.approx([0.7 - half, 0.7 + half], abs=0.003)


@pytest.mark.parametrize(("kind", "worst"), [(Kind.SINGLE, 2.0), (Kind.MULTI, 6.0)])
def test_two_units_leave_no_brier_score_above_what_is_possible(kind, worst):
    single = guessed(101, 3)
    answers = ScoredClips.decide(kind, single.truth, single.probabilities)
    found = Bootstrap(0, 100).intervals(answers, METRICS, names(np.arange(101) == 0))
    assert found["brier"][1] <= worst
    assert found["log_loss"][1] <= 14 * worst


def test_clips_that_are_right_together_tell_no_more_than_one():
    right = np.random.default_rng(0).random(100) < 0.7
    alone = Bootstrap(0, 500).intervals(of(right), ACCURACY, names(range(100)))["accuracy"]
    copied = Bootstrap(0, 500).intervals(of(np.repeat(right, 10)), ACCURACY, names(np.repeat(range(100), 10)))
    assert copied["accuracy"] == pytest.approx(alone)
    apart = Bootstrap(0, 500).intervals(of(np.repeat(right, 10)), ACCURACY, names(range(1000)))["accuracy"]
    assert (apart[1] - apart[0]) < 0.4 * (alone[1] - alone[0])


def test_a_few_units_that_are_all_right_do_not_prove_that_every_clip_is():
    low, high = Bootstrap(0, 100).intervals(of([True] * 90), ACCURACY, names(np.repeat(range(9), 10)))["accuracy"]
    assert high == 1
    assert 0.6 < low < 0.95


def test_of_a_single_unit_nothing_is_known():
    found = Bootstrap(0, 100).intervals(guessed(20, 3), METRICS, names([0] * 20))
    assert found["accuracy"] == found["auroc"] == [0, 1]
    assert found["log_loss"] is None


def test_an_undefined_metric_has_no_interval():
    answers = of([True] * 10)
    assert Bootstrap(0, 100).intervals(answers, METRICS, names(range(10)))["auroc"] is None


def test_intervals_hold_the_value_and_keep_to_what_is_possible():
    for seed in range(20):
        answers = guessed(30, 3, seed)
        found = Bootstrap(seed, 100).intervals(answers, METRICS, names(np.arange(30) % 5))
        for name, (low, high) in found.items():
            assert 0 <= low <= METRICS[name].of(answers) <= high <= METRICS[name].most


def test_intervals_follow_from_the_seed_alone():
    answers, units = guessed(60, 3), names(np.arange(60) % 12)
    first, again, other = (Bootstrap(seed, 100).intervals(answers, METRICS, units) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_many_clips_in_many_units_are_drawn_in_bounded_memory_with_the_same_outcome():
    """Units are put together, and scores in levels; the spread of a mean and of an area is known otherwise."""
    answers, units = guessed(20_000, 4), names(np.arange(20_000) // 2)
    found = Bootstrap(0, 300).intervals(answers, METRICS, units)
    share = METRICS["accuracy"].of(answers)
    expected = 2 * norm.isf(0.025) * np.sqrt(share * (1 - share) / 20_000)
    assert np.diff(found["accuracy"])[0] == pytest.approx(expected, rel=0.12)
    # Hanley & McNeil (1982): of an area of 1/2, a quarter of the clips being of the class; the mean of four classes
    by_class = np.sqrt((20_000 + 1) / (12 * 5000 * 15_000))
    assert 0.4 * by_class < np.diff(found["auroc"])[0] / (2 * norm.isf(0.025)) < by_class


@pytest.mark.parametrize("units", [9, 30, 100])
@pytest.mark.parametrize("share", [0.8, 0.9])
def test_intervals_cover_the_truth_where_clips_of_a_unit_are_alike(units, share):
    """ICC 0.5: each unit's share is drawn from a beta distribution whose parameters add up to 1."""
    random, runs, covered = np.random.default_rng(units), 400, 0
    for seed in range(runs):
        sizes = random.integers(3, 20, units)
        places = np.repeat(np.arange(units), sizes)
        right = random.random(len(places)) < random.beta(share, 1 - share, units)[places]
        low, high = Bootstrap(seed, 100).intervals(of(right), ACCURACY, names(places))["accuracy"]
        covered += low <= share <= high
    error = np.sqrt(0.95 * 0.05 / runs)
    assert covered / runs >= 0.93 - 1.5 * error
