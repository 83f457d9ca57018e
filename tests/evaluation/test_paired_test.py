"""The paired test over units: its numbers on gains whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from cu_pipeline.evaluation.paired_test import PairedGain, p_values

GAINS = np.array([1, 0, 0, -1, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1])


def test_where_each_clip_is_a_unit_it_is_students_t_test():
    found = PairedGain.of(GAINS, np.arange(len(GAINS)))
    known = ttest_1samp(GAINS, 0, alternative="greater")
    assert found.p_value() == pytest.approx(known.pvalue)
    assert found.p_value(above=0.1) == pytest.approx(ttest_1samp(GAINS, 0.1, alternative="greater").pvalue)
    two_sided = ttest_1samp(GAINS, 0).confidence_interval(0.95)
    assert found.interval() == pytest.approx((two_sided.low, two_sided.high))


def test_a_clip_that_is_copied_within_its_unit_proves_nothing_more():
    units = np.arange(len(GAINS))
    once, copied = PairedGain.of(GAINS, units), PairedGain.of(np.repeat(GAINS, 5), np.repeat(units, 5))
    assert (copied.clips, copied.units) == (70, 14)
    assert copied.effect == pytest.approx(once.effect)
    assert copied.p_value() == pytest.approx(once.p_value())
    assert copied.interval() == pytest.approx(once.interval())


def test_units_are_told_apart_by_name_whatever_their_order():
    units = np.array(["b", "a", "b", "c", "a", "c", "d", "d", "e", "e", "f", "f", "g", "g"])
    order = np.random.default_rng(0).permutation(len(GAINS))
    assert PairedGain.of(GAINS, units).p_value() == pytest.approx(PairedGain.of(GAINS[order], units[order]).p_value())


@pytest.mark.parametrize("units", [1, 2, 4, 8])
def test_units_that_all_agree_prove_no_more_than_as_many_tosses_of_a_coin(units):
    assert PairedGain.of(np.ones(units * 50), np.repeat(np.arange(units), 50)).p_value() == max(
        0.5**units, 1.0 if units == 1 else 0
    )


def test_models_that_answer_alike_differ_by_nothing():
    found = PairedGain.of(np.zeros(10), np.arange(10))
    assert (found.effect, found.p_value(), found.interval()) == (0, 1, (0, 0))
    assert PairedGain.of(-np.ones(10), np.arange(10)).p_value() == 1


def test_one_large_unit_among_small_ones_counts_as_little_evidence():
    even = PairedGain.of(np.tile([1, 1, 0], 20), np.repeat(np.arange(20), 3))
    lumpy = PairedGain.of(np.tile([1, 1, 0], 20), np.r_[np.zeros(41), np.arange(1, 20)])
    assert even.freedom == pytest.approx(19)
    assert lumpy.freedom == pytest.approx(1.117, abs=0.01)
    assert lumpy.p_value() > even.p_value()


@given(st.lists(st.tuples(st.integers(-1, 1), st.integers(0, 5)), min_size=2, max_size=40))
def test_the_test_and_the_interval_agree(pairs):
    gains, units = (np.array(column) for column in zip(*pairs, strict=True))
    found = PairedGain.of(gains, units)
    if found.p_value() < 0.025 - 1e-9:
        assert found.interval()[0] > 0
    assert 0 <= found.p_value() <= 1


def test_many_gains_are_tested_at_once():
    random = np.random.default_rng(0)
    sums, sizes = random.integers(-2, 4, (3, 5, 12)).astype(float), random.integers(1, 5, 12)
    found = p_values(sums, sizes)
    assert found.shape == (3, 5)
    assert found[2, 4] == pytest.approx(PairedGain(sums[2, 4], sizes).p_value())
