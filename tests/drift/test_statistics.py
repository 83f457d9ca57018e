import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist, squareform

from cu_pipeline.core.capability import Kind
from cu_pipeline.drift.two_sample import (
    BANDWIDTHS,
    ClassMix,
    KolmogorovSmirnov,
    MeanDiscrepancy,
    p_value,
    relabellings,
)

SIDES = np.repeat([False, True], [50, 30])


def test_kolmogorov_smirnov_equals_scipys_statistic_under_ties():
    values = np.random.default_rng(1).integers(0, 5, 80).astype(float)
    expected = stats.ks_2samp(values[~SIDES], values[SIDES]).statistic
    assert KolmogorovSmirnov(values).effect(SIDES) == pytest.approx(expected)


def test_missing_values_count_as_a_difference():
    values = np.ones(80)
    values[SIDES] = np.nan
    assert KolmogorovSmirnov(values).effect(SIDES) == 1.0


def test_single_label_mix_equals_pearsons_chi_squared():
    labels = np.random.default_rng(2).integers(0, 4, 80)
    table = [np.bincount(labels[side], minlength=4) for side in (~SIDES, SIDES)]
    expected = stats.chi2_contingency(table, correction=False).statistic
    statistic = ClassMix(np.eye(4, dtype=bool)[labels], Kind.SINGLE)
    assert statistic(SIDES[None])[0] == pytest.approx(expected)


def test_multi_label_mix_adds_up_the_classes():
    present = np.random.default_rng(3).random((80, 2)) < 0.4
    expected = 0.0
    for column in present.T:
        table = [[np.sum(column[side] == value) for value in (0, 1)] for side in (~SIDES, SIDES)]
        expected += stats.chi2_contingency(table, correction=False).statistic
    assert ClassMix(present, Kind.MULTI)(SIDES[None])[0] == pytest.approx(expected)


def test_mix_effect_is_the_share_of_clips_that_moved():
    labels = np.where(SIDES, 1, 0)
    assert ClassMix(np.eye(2, dtype=bool)[labels], Kind.SINGLE).effect(SIDES) == pytest.approx(1.0)


def test_mix_effect_of_several_classes_is_the_largest_change():
    present = np.zeros((80, 2), dtype=bool)
    present[SIDES, 0] = True
    present[:25, 1] = True
    assert ClassMix(present, Kind.MULTI).effect(SIDES) == pytest.approx(1.0)
    assert ClassMix(present[:, 1:], Kind.MULTI).effect(SIDES) == pytest.approx(0.5)


def test_mean_discrepancy_agrees_with_its_definition():
    vectors = np.random.default_rng(6).normal(size=(80, 3)) + np.where(SIDES, 0.8, 0)[:, None]
    distances = pdist(vectors, "sqeuclidean")
    kernel = np.mean([np.exp(-squareform(distances) / (2 * b**2 * np.median(distances))) for b in BANDWIDTHS], axis=0)
    within = [kernel[np.ix_(side, side)][~np.eye(side.sum(), dtype=bool)].mean() for side in (SIDES, ~SIDES)]
    squared = sum(within) - 2 * kernel[np.ix_(SIDES, ~SIDES)].mean()
    assert MeanDiscrepancy(vectors).effect(SIDES) == pytest.approx(np.sqrt(squared))
    weights = np.where(SIDES, 1 / 30, -1 / 50)
    assert MeanDiscrepancy(vectors)(SIDES[None])[0] == pytest.approx(weights @ kernel @ weights)


def test_mean_discrepancy_sees_a_change_of_spread_alone():
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(80, 5)) * np.where(SIDES, 3, 1)[:, None]
    statistic = MeanDiscrepancy(vectors)
    permuted = statistic(relabellings(SIDES, 199, rng))
    assert p_value(statistic(SIDES[None])[0], permuted) == 1 / 200


@pytest.mark.parametrize(
    "make", [lambda n: KolmogorovSmirnov(np.zeros(n)), lambda n: MeanDiscrepancy(np.zeros((n, 2)))]
)
def test_constant_pools_are_recognised(make):
    assert make(10).constant


@pytest.mark.parametrize("levels", [2, 5, 10_000])
def test_p_values_are_valid_under_ties(levels):
    rng, runs, alpha = np.random.default_rng(levels), 400, 0.1
    rejected = 0
    for _ in range(runs):
        statistic = KolmogorovSmirnov(rng.integers(0, levels, 80).astype(float))
        rejected += p_value(statistic(SIDES[None])[0], statistic(relabellings(SIDES, 99, rng))) <= alpha
    assert rejected / runs <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)


def test_relabellings_keep_sizes_and_groups_together():
    groups = np.repeat(np.arange(16), 5).astype(object)
    drawn = relabellings(SIDES, 50, np.random.default_rng(0), groups)
    assert (drawn.sum(axis=1) == SIDES.sum()).all()
    by_group = drawn.reshape(50, 16, 5)
    assert (by_group == by_group[:, :, :1]).all()
    assert len({row.tobytes() for row in drawn}) > 40


@pytest.mark.slow
def test_dependent_clips_raise_false_alarms_only_while_their_groups_are_not_given():
    groups = np.repeat(np.arange(16), 5).astype(object)

    def rejects(seed, known):
        rng = np.random.default_rng(seed)
        vectors = rng.normal(size=(80, 4)) + np.repeat(rng.normal(size=(16, 4)), 5, axis=0)
        statistic = MeanDiscrepancy(vectors)
        drawn = relabellings(SIDES, 99, rng, known)
        return p_value(statistic(SIDES[None])[0], statistic(drawn)) <= 0.05

    runs = 200
    bound = 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert np.mean([rejects(seed, groups) for seed in range(runs)]) <= bound
    assert np.mean([rejects(seed, None) for seed in range(runs)]) > bound


def test_the_parts_of_a_group_with_clips_on_both_sides_move_on_their_own():
    groups = np.array(["a", "a", "a", "a", "b", "b", "c"], dtype=object)
    current = np.array([False, False, True, True, False, False, True])
    drawn = relabellings(current, 400, np.random.default_rng(0), groups)
    for part in ([0, 1], [2, 3], [4, 5]):
        assert (drawn[:, part[0]] == drawn[:, part[1]]).all()
    assert (drawn[:, 0] != drawn[:, 2]).any()
    assert set(drawn.sum(axis=1).tolist()) == {3, 4}, "two of the four units are current"


def test_a_relabelling_that_is_as_extreme_counts_against_the_observed_one():
    assert p_value(2.0, np.array([2.0, 2.0 - 1e-12, 1.9])) == 3 / 4
    assert p_value(0.0, np.zeros(9)) == 1
