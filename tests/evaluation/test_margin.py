"""What promotions of models that are not shown to be better may cost together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.evaluation.margin import Margin
from cu_pipeline.evaluation.paired_test import PairedGain

LEVEL = 0.035


def gain(own: int, other: int, clips: int = 100) -> PairedGain:
    """On `own` clips the challenger alone is right, on `other` the champion alone; each is a unit."""
    place = np.arange(clips)
    return PairedGain.of((place < own).astype(float) - (place >= clips - other), place)


def test_what_is_allowed_is_what_the_test_within_the_margin_allows() -> None:
    for own, other in [(10, 5), (12, 12), (15, 10), (6, 12)]:
        one = gain(own, other, 300)
        assert Margin(0.05).allows(one, LEVEL) == (one.p_value(above=-0.05) <= LEVEL)


def test_few_clips_that_are_all_alike_prove_nothing() -> None:
    """A challenger that differs only where it loses 5 points shows none of that on 30 clips in a fifth of cases."""
    assert gain(0, 0, 30).p_value(above=-0.05) < 1e-6
    assert not Margin(0.05).allows(gain(0, 0, 30), LEVEL)
    assert Margin(0.05).allows(gain(0, 0, 100), LEVEL)
    assert not Margin(0.05).allows(gain(0, 0, 1), LEVEL)


@pytest.mark.parametrize("clips", [30, 100, 300])
def test_a_loss_by_the_margin_that_is_all_that_differs_passes_at_about_the_level(clips: int) -> None:
    losses = np.random.default_rng(clips).binomial(clips, 0.05, 2000)
    lost, times = np.unique(losses, return_counts=True)
    passed = [Margin(0.05).allows(gain(0, one, clips), LEVEL) for one in lost]
    assert np.average(passed, weights=times) <= LEVEL + 0.01
    plain = [gain(0, one, clips).p_value(above=-0.05) <= LEVEL for one in lost]
    assert np.average(plain, weights=times) > LEVEL + 0.01, "the test without the least error"


def test_what_may_be_lost_is_added_up_and_what_is_shown_to_be_gained_is_taken_off() -> None:
    margin = Margin(0.05)
    equal = gain(10, 10, 400)
    assert margin.allows(equal, LEVEL)
    after = margin.after(equal, LEVEL, better=False)
    assert after == pytest.approx(-margin.low(equal, LEVEL))
    assert 0.01 < after < 0.05
    second = Margin(0.05, after)
    assert not second.allows(gain(14, 16, 400), LEVEL)
    assert second.allows(gain(25, 10, 400), LEVEL)
    much = gain(80, 10, 400)
    assert second.after(much, LEVEL, better=True) == 0
    assert second.after(gain(10, 12, 400), LEVEL, better=True) == after, "better on a part costs nothing"
    assert not Margin(0.0).allows(much, LEVEL)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.booleans()), max_size=20))
def test_no_champion_lies_lower_than_the_shortfall_where_all_bounds_hold(steps: list[tuple[int, int, bool]]) -> None:
    """True gains are the lower bounds, the worst that they may be; what is shown better is no worse."""
    shortfall = quality = best = 0.0
    for own, other, better in steps:
        margin, one = Margin(0.05, shortfall), gain(own, other, 400)
        if not better and not margin.allows(one, LEVEL):
            continue
        low = margin.low(one, LEVEL)
        quality += max(low, 0.0) if better else low
        shortfall = margin.after(one, LEVEL, better=better)
        best = max(best, quality)
        assert best - quality <= shortfall + 1e-9
        assert shortfall <= 0.05 + 1e-9
