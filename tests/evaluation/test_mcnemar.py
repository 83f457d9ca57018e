import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from cu_pipeline.evaluation.mcnemar import mcnemar


def test_an_equal_challenger_is_promoted_no_more_often_than_alpha():
    alpha, runs = 0.05, 1000
    random = np.random.default_rng(0)
    promoted = 0
    for _ in range(runs):
        difficulty = random.random(40)
        right = [random.random(40) < difficulty for _ in range(2)]
        promoted += mcnemar(*right) <= alpha
    assert promoted / runs <= alpha + 2 * np.sqrt(alpha * (1 - alpha) / runs)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30))
def test_the_p_value_is_the_binomial_tail_of_the_clips_that_one_model_alone_has_right(pairs):
    challenger, champion = (np.array([pair[side] for pair in pairs], dtype=bool) for side in (0, 1))
    gained, lost = pairs.count((True, False)), pairs.count((False, True))
    expected = binom(gained + lost, 0.5).sf(gained - 1) if gained + lost else 1.0
    assert mcnemar(challenger, champion) == pytest.approx(expected)
