"""What is said beforehand of gains that a test sees, held against how often it sees them."""

import numpy as np
import pytest

from cu_pipeline.evaluation.paired_test import PairedGain, p_values
from cu_pipeline.evaluation.power import power_assumed, power_of

ALPHA = 0.035


def gains(random, clips, effect, runs):
    """Models that differ in a fifth of the answers; every clip is a unit."""
    return random.choice([-1.0, 0.0, 1.0], (runs, clips), p=[(0.2 - effect) / 2, 0.8, (0.2 + effect) / 2])


@pytest.mark.parametrize("clips", [100, 600])
def test_the_smallest_gain_is_seen_in_about_four_of_five_cases(clips):
    random = np.random.default_rng(0)
    expected = power_assumed(np.arange(clips), ALPHA)
    seen = p_values(gains(random, clips, expected.smallest_gain, 2000), np.ones(clips, dtype=int)) <= ALPHA
    error = np.sqrt(0.8 * 0.2 / 2000)
    assert seen.mean() == pytest.approx(0.8, abs=0.04 + 2 * error)


def test_so_many_more_clips_show_five_points():
    random = np.random.default_rng(1)
    more = power_assumed(np.arange(100), ALPHA)
    clips = 100 + more.more_clips
    seen = p_values(gains(random, clips, 0.05, 1000), np.ones(clips, dtype=int)) <= ALPHA
    assert seen.mean() == pytest.approx(0.8, abs=0.02 + 2 * np.sqrt(0.8 * 0.2 / 1000))


def test_what_was_seen_of_two_models_decides_where_two_were_compared():
    random = np.random.default_rng(2)
    seldom, often = (PairedGain.of(random.random(200) < share, np.arange(200)) for share in (0.02, 0.4))
    assert power_of(seldom, ALPHA).smallest_gain < power_of(often, ALPHA).smallest_gain
    assert not power_of(seldom, ALPHA).assumed
    assert power_of(often, 0.0025).smallest_gain > power_of(often, ALPHA).smallest_gain


def test_clips_of_one_creator_tell_less_than_as_many_of_many():
    few, many = power_assumed(np.arange(120) // 12, ALPHA), power_assumed(np.arange(120), ALPHA)
    assert (few.clips, few.units, many.units) == (120, 10, 120)
    assert few.smallest_gain > many.smallest_gain
    assert few.more_clips > many.more_clips


def test_models_that_never_differed_need_enough_units_that_do():
    found = power_of(PairedGain.of(np.zeros(50), np.arange(50)), ALPHA)
    assert found.smallest_gain == pytest.approx(5 / 50)  # 0.5**5 is the first below the level


def test_what_is_told_of_models_that_never_differed_holds_for_one_that_does():
    units = np.arange(96) // 6
    never = power_of(PairedGain.of(np.zeros(96), units), ALPHA)
    random = np.random.default_rng(3)
    better = gains(random, 96, 0.05, 2000).reshape(2000, 16, 6).sum(axis=2)
    assert (p_values(better, np.full(16, 6)) <= ALPHA).mean() < 0.5
    assert never.smallest_gain > 0.05
    assert never.more_clips > 96


def test_a_single_unit_shows_nothing():
    assert power_of(PairedGain.of(np.ones(9), np.zeros(9)), ALPHA).smallest_gain == 1


def test_it_is_told_in_words():
    told = str(power_assumed(np.arange(82), ALPHA))
    assert told.startswith("with 82 units a gain under 13 points will mostly go unseen; ")
    assert told.endswith(" more labelled test clips would show 5")
    assert "more labelled" not in str(power_assumed(np.arange(5000), ALPHA))
