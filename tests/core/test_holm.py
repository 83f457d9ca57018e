"""Holm's adjustment against the closed testing procedure that it is a shortcut of."""

from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.core.multiple_tests import holm

p_values = st.lists(st.floats(0, 1) | st.sampled_from([0.01, 0.02, 0.5]), min_size=1, max_size=6)


def closed(found):
    """A hypothesis is rejected at a level if Bonferroni's test rejects every set of hypotheses that it is in."""
    places = range(len(found))
    sets = list(chain.from_iterable(combinations(places, size) for size in range(1, len(found) + 1)))
    level = {chosen: min(1.0, len(chosen) * min(found[place] for place in chosen)) for chosen in sets}
    return [max(level[chosen] for chosen in sets if place in chosen) for place in places]


@given(p_values)
def test_it_is_the_closed_procedure_over_bonferronis_test(found):
    assert holm(found) == pytest.approx(closed(found))


def test_a_smaller_p_value_is_never_adjusted_to_more_than_a_larger_one():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, 0.0101, 0.9]) == pytest.approx([0.03, 0.03, 0.9])


def test_of_no_test_nothing_is_adjusted():
    assert holm([]) == []
