import numpy as np
import pytest

from cu_pipeline.drift.unit_design import LEAST_UNITS, UnitDesign
from cu_pipeline.drift.unit_statistics import UnitStatistic, p_values


def design(before, now):
    """A design of units with so many clips on both sides."""
    unit = np.concatenate([np.repeat(np.arange(len(side)), side) for side in (before, now)])
    return UnitDesign.of(unit.astype(object), np.repeat([False, True], [sum(before), sum(now)]))


def scores(made, rng, likeness, columns=1):
    own = rng.normal(size=(len(made.counts), columns))[made.unit]
    return np.sqrt(likeness) * own + np.sqrt(1 - likeness) * rng.normal(size=(len(made.unit), columns))


APART = ([4] * 40 + [0] * 20, [0] * 40 + [2] * 20)
KNOWN = ([4] * 30, [2] * 30)
MIXED = ([4] * 40 + [0] * 20, [0] * 25 + [2] * 35)
UNEVEN = ([1] * 30 + [15] * 10 + [0] * 20, [0] * 40 + [1] * 20)


@pytest.mark.parametrize("sizes", [APART, KNOWN, MIXED, UNEVEN], ids=["apart", "known", "mixed", "uneven"])
@pytest.mark.parametrize(("combine", "columns"), [("largest", 3), ("quadratic", 6)])
def test_p_values_of_equal_sides_are_small_no_more_often_than_they_say(sizes, combine, columns):
    """300 worlds each; the bound is 3 standard errors, 3.8 points, above the level."""
    made, runs, found = design(*sizes), 300, []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        one = UnitStatistic(made, scores(made, rng, 0.5, columns), combine)
        found += p_values(made, [one], 99, rng)
    assert 0.015 <= np.mean(np.array(found) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_rare_events_and_ties_raise_no_more_false_alarms():
    made, runs, found = design(*MIXED), 400, []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        one = UnitStatistic(made, scores(made, rng, 0.3) > 1.6, "largest")
        found += p_values(made, [one], 99, rng)
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


@pytest.mark.parametrize("sizes", [APART, KNOWN, MIXED])
def test_a_shift_is_found_and_its_size_told(sizes):
    made, rng = design(*sizes), np.random.default_rng(0)
    one = UnitStatistic(made, scores(made, rng, 0.1) + 0.9 * made.current[:, None], "largest")
    assert p_values(made, [one], 399, rng) == [1 / 400]
    assert one.difference()[0] == pytest.approx(0.9, abs=0.3)
    assert one.difference()[0] == pytest.approx(0.9, abs=3 * one.standard_errors()[0])
    assert one.resampled(400, rng).std() == pytest.approx(one.standard_errors()[0], rel=0.35)


def test_a_shift_within_known_units_is_found_though_units_differ_much():
    made, rng = design(*KNOWN), np.random.default_rng(0)
    values = scores(made, rng, 0.98) + 0.2 * made.current[:, None]
    assert p_values(made, [UnitStatistic(made, values, "largest")], 399, rng) == [1 / 400]


def test_new_units_of_the_same_population_are_no_difference_and_a_clip_counts_by_its_unit():
    """Three units on a side prove nothing, however many clips they have."""
    few = design([50] * 8 + [0] * 3, [0] * 8 + [50] * 3)
    assert not few.apart.any()
    assert not few.tells
    rng = np.random.default_rng(1)
    made = design([50] * 8 + [0] * LEAST_UNITS, [0] * 8 + [50] * LEAST_UNITS)
    one = UnitStatistic(made, scores(made, rng, 0.9), "largest")
    assert p_values(made, [one], 99, rng)[0] > 0.01


def test_no_unit_outweighs_all_others_together():
    made = design([2] * 30 + [0] * 30, [0] * 30 + [2] * 29 + [5000])
    values = np.random.default_rng(0).normal(size=(len(made.unit), 1))
    values[made.unit == 59] += 3
    one = UnitStatistic(made, values, "largest")
    assert one.difference()[0] < 1.2, "the clips' own mean is 3"
    assert p_values(made, [one], 99, np.random.default_rng(0))[0] > 0.01


def test_columns_in_which_all_clips_are_alike_decide_nothing():
    made, rng = design(*APART), np.random.default_rng(0)
    values = scores(made, rng, 0.5)
    whole = UnitStatistic(made, np.column_stack([np.full(len(values), 7.0), values]), "quadratic")
    alone = UnitStatistic(made, values, "quadratic")
    assert whole.observed() == pytest.approx(alone.observed())
    assert whole.difference()[0] == 0
    assert UnitStatistic(made, np.ones((len(values), 2)), "largest").constant


def test_the_statistic_does_not_depend_on_the_scale_of_scores():
    made, rng = design(*MIXED), np.random.default_rng(0)
    values = scores(made, rng, 0.5, 4)
    scaled = values * np.array([1.0, 1e3, 1e-3, 7.0]) + 5
    for combine in ("largest", "quadratic"):
        first, other = (UnitStatistic(made, one, combine) for one in (values, scaled))
        assert first.observed() == pytest.approx(other.observed(), rel=1e-4)


def test_a_draw_that_is_as_extreme_counts_against_the_observed_one():
    """Where every unit has the same two values, all draws are alike."""
    made = design([1] * 10 + [0] * 10, [0] * 10 + [1] * 10)
    values = np.zeros((20, 1))
    values[0] = 1.0
    (p,) = p_values(made, [UnitStatistic(made, values, "largest")], 199, np.random.default_rng(0))
    assert p == 1.0


def test_likeness_is_the_share_of_variance_between_units():
    made, rng = design([5] * 200 + [0] * 100, [0] * 200 + [5] * 100), np.random.default_rng(0)
    for likeness in (0.0, 0.4, 0.9):
        found = UnitStatistic(made, scores(made, rng, likeness, 4), "largest").likeness
        assert found == pytest.approx(likeness, abs=0.06)
