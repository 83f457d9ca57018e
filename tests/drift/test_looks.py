from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.drift.worlds import NOON

from cu_pipeline.drift.looks import Look, last_drift, next_look
from cu_pipeline.drift.options import LookOptions

OPTIONS = LookOptions()
ALPHA = 0.05


def looks_at(days, options=OPTIONS):
    """Look so many days after noon, each time at something new."""
    made = []
    for number, day in enumerate(days):
        made.append(next_look(str(number), NOON + timedelta(days=day), made, ALPHA, options))
    return made


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.001, 20), min_size=1, max_size=120))
def test_no_thirty_days_spend_more_than_alpha(gaps):
    made = looks_at(np.cumsum(gaps))
    for last in made:
        spent = sum(one.alpha for one in made if timedelta(0) <= last.time - one.time < timedelta(days=30))
        assert spent <= ALPHA * (1 + 1e-9)


def test_daily_looks_share_alpha_equally_after_the_first():
    made = looks_at(range(90))
    assert made[0].alpha == pytest.approx(ALPHA * (0.75 / 30 + 0.125))
    assert [one.alpha for one in made[1:]] == pytest.approx([ALPHA * 0.75 / 30] * 89)


def test_a_look_after_a_pause_has_the_share_of_the_pause():
    _, second = looks_at([0, 10])
    assert second.alpha == pytest.approx(ALPHA * 0.75 / 3)


def test_looks_that_come_sooner_halve_what_is_kept_for_them_and_take_nothing_from_planned_ones():
    made = looks_at([0, 0.1, 0.2, 1])
    assert [one.extra for one in made] == pytest.approx([ALPHA / 8, ALPHA / 16, ALPHA / 32, 0])
    assert [one.planned for one in made] == [True, False, False, True]
    assert made[3].alpha == pytest.approx(ALPHA * 0.75 / 30)


def test_the_same_inputs_again_are_the_same_look():
    made = looks_at([0, 1, 2])
    again = next_look("1", NOON + timedelta(days=9), made, ALPHA, OPTIONS)
    assert again == made[1]


def test_a_look_is_read_as_it_was_written():
    one = looks_at([3])[0]
    assert Look.from_json(one.as_json()) == one


def test_what_came_before_the_last_drift_is_decided_on():
    told = [Look("a", NOON, 0.01, decision="drift"), Look("b", NOON + timedelta(days=1), 0.01, decision="no_drift")]
    assert last_drift(told, NOON + timedelta(days=2)) == NOON
    assert last_drift(told, told[0].time) is None, "a look that is made again is not decided by itself"
