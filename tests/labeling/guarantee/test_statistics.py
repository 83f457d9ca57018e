import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom

from cu_pipeline.labeling.guarantee.statistics import binomial_p_values, fewest_accepted, fixed_sequence, labels_needed

ALPHAS = (0.02, 0.05, 0.1)


@given(st.integers(1, 400), st.integers(0, 400), st.sampled_from(ALPHAS), st.sampled_from((0.01, 0.05, 0.2)))
def test_p_values_are_those_of_the_upper_clopper_pearson_bound(accepted, wrong, alpha, delta) -> None:
    wrong = min(wrong, accepted)
    p_value = float(binomial_p_values(np.array(wrong), np.array(accepted), alpha))
    bound = beta.ppf(1 - delta, wrong + 1, accepted - wrong) if wrong < accepted else 1.0
    if abs(p_value - delta) > 1e-9:
        assert (p_value <= delta) == (bound <= alpha)
    if wrong < accepted:
        assert p_value == pytest.approx(binom.cdf(wrong, accepted, alpha))


def test_nothing_accepted_proves_nothing() -> None:
    assert binomial_p_values(np.array([0]), np.array([0]), 0.05).tolist() == [1.0]


@pytest.mark.parametrize("alpha", ALPHAS)
def test_p_values_at_the_border_are_valid(alpha: float) -> None:
    wrong = np.arange(301)
    chance = binom.pmf(wrong, 300, alpha)
    p_values = binomial_p_values(wrong, np.full(301, 300), alpha)
    for level in (0.01, 0.05, 0.3):
        assert chance[p_values <= level].sum() <= level


def test_the_sequence_ends_at_the_first_failure_after_its_start() -> None:
    p_values = np.array([0.9, 0.01, 0.02, 0.06, 0.0])
    assert fixed_sequence(p_values, 1, 0.05).tolist() == [False, True, True, False, False]
    assert not fixed_sequence(p_values, 0, 0.05).any()
    assert not fixed_sequence(p_values, 5, 0.05).any()


@pytest.mark.parametrize(("alpha", "fewest"), [(0.02, 149), (0.05, 59), (0.1, 29)])
def test_the_fewest_accepted_clips_are_just_enough(alpha: float, fewest: int) -> None:
    assert fewest_accepted(alpha, 0.05) == fewest
    assert (1 - alpha) ** fewest <= 0.05 < (1 - alpha) ** (fewest - 1)


@pytest.mark.parametrize(("share", "error"), [(1.0, 0.0), (0.4, 0.0), (0.5, 0.02), (0.8, 0.04)])
def test_the_labels_asked_for_certify_if_the_source_goes_on_as_seen(share: float, error: float) -> None:
    needed = labels_needed(0.05, 0.05, share, error)
    accepted = np.array(int(needed * share))
    assert binomial_p_values(np.floor(accepted * error), accepted, 0.05) <= 0.05
    assert needed >= fewest_accepted(0.05, 0.05) / share


def test_no_number_of_labels_helps_a_source_that_is_too_bad() -> None:
    assert labels_needed(0.05, 0.05, 0.5, 0.05) is None
    assert labels_needed(0.05, 0.05, 0.5, 0.04999) is None
