"""Wealth against hypotheses: it grows by chance with the stated chance at most."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.rollout.betting import FRACTIONS, Tally, Watch, confidence_sequence, counts, log_wealth

ALPHA, RUNS = 0.05, 1000


def test_wealth_is_the_mean_of_purses_that_stake_their_fractions() -> None:
    seen, null = [1, -1, 0, 1], 0.1
    purses = [np.prod([1 + part * (value - null) / (null + 1) for value in seen]) for part in FRACTIONS]
    assert log_wealth([1, 1, 2], null) == pytest.approx(np.log(np.mean(purses)))


@given(st.floats(-0.9, 0.9), st.sampled_from([-1.0, 0.0]))
def test_the_next_bet_is_fair_at_the_hypothesis_and_a_loss_below_it(null: float, low: float) -> None:
    """Of observations at both ends of the range, whose mean is `null`, the expected wealth stays."""
    null = max(null, low + 0.05)
    up = (null - low) / (1 - low)
    before = np.array([2.0, 1.0, 3.0]) if low < 0 else np.array([0.0, 4.0, 2.0])
    step = np.eye(3)[[0 if low < 0 else 1, 2]]
    after = np.exp(log_wealth(before + step, null, low))
    assert (1 - up) * after[0] + up * after[1] == pytest.approx(np.exp(log_wealth(before, null, low)))


@pytest.mark.parametrize(
    ("chances", "null", "low"),
    [((0.1, 0.8, 0.1), 0.0, -1.0), ((0.0, 0.5, 0.5), 0.5, 0.0), ((0.0, 0.99, 0.01), 0.01, 0.0)],
    ids=["quality", "latency", "errors"],
)
def test_looked_at_after_each_of_500_observations_it_errs_as_seldom_as_stated(chances, null, low) -> None:
    """At most 5 %, and the Monte-Carlo error of 1,000 runs is 0.7 %."""
    random = np.random.default_rng(1)
    seen = np.cumsum(random.multinomial(1, chances, size=(RUNS, 500)), axis=1)
    errs = (log_wealth(seen, null, low) >= np.log(1 / ALPHA)).any(axis=1).mean()
    assert errs < ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / RUNS)


@pytest.mark.parametrize(("chance", "null"), [(0.5, 0.5), (0.01, 0.01)], ids=["latency", "errors"])
def test_a_watch_errs_as_seldom_and_finds_what_begins_late(chance, null):
    random = np.random.default_rng(3)
    watch, alarmed = Watch(null, 0.0, RUNS), np.zeros(RUNS, dtype=bool)
    for _ in range(500):
        alarmed |= watch.add(random.random(RUNS) < chance) >= np.log(1 / ALPHA)
    assert alarmed.mean() < ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / RUNS)
    for _ in range(60):
        alarmed |= watch.add(random.random(RUNS) < 1 - (1 - null) / 8) >= np.log(1 / ALPHA)
    assert alarmed.mean() > 0.99


def test_a_confidence_sequence_covers_at_all_times_and_shrinks() -> None:
    random = np.random.default_rng(2)
    missed = 0
    for _ in range(40):
        seen = np.cumsum(random.multinomial(1, (0.1, 0.7, 0.2), size=400), axis=0)[19::20]
        ends = [confidence_sequence(Tally(*map(int, one)), ALPHA) for one in seen]
        missed += any(not low <= 0.1 <= high for low, high in ends)
    assert missed <= 6  # 2 are expected at most; more than 6 come with a chance below 1 %
    narrow, wide = (confidence_sequence(Tally(n, 8 * n, 2 * n), ALPHA) for n in (100, 10))
    assert wide[0] < narrow[0] < 0.09 < narrow[1] < wide[1]


def test_nothing_seen_says_nothing_and_all_the_same_says_much() -> None:
    assert log_wealth(counts(Tally()), 0.0) == 0
    low, high = confidence_sequence(Tally(up=200), ALPHA)
    assert 0.9 < low < high == 1
