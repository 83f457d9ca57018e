import numpy as np
import pytest

from cu_pipeline.core.multiple_tests import holm
from cu_pipeline.evaluation.mcnemar import mcnemar
from cu_pipeline.llm.lab.measuring import Measured, Statistics, choose
from cu_pipeline.llm.methods.recipe import Recipe

CLIPS = 60
STATISTICS = Statistics(lambda *_: {}, mcnemar, holm, draws=1000, seed=1)


def _measured(name: str, right: np.ndarray, cost: float = 1.0) -> Measured:
    recipe = Recipe(prompt=name, template="")
    return Measured(
        recipe, right, {"name": name, "accuracy": float(right.mean()), "usd_per_1000_clips": cost, "version": name}
    )


def _share(*shares: float) -> np.ndarray:
    return np.array([np.arange(CLIPS) < share * CLIPS for share in shares])


def test_the_present_prompt_stays_where_nothing_is_significantly_better() -> None:
    present, better = _measured("now", _share(0.5), cost=9), _measured("new", _share(0.55), cost=1)
    chosen, decision, _ = choose([present, better], 0.05, STATISTICS)
    assert chosen is present
    assert decision["reason"] == (
        "now stays: on 60 clips its accuracy is 0.500, and none of 1 others is shown to be better"
    )


def test_the_most_accurate_of_those_that_are_better_wins_and_the_cheaper_of_equals() -> None:
    trials = [
        _measured("now", _share(0.3)),
        _measured("good", _share(0.8)),
        _measured("dear", _share(0.9), cost=5),
        _measured("cheap", _share(0.9), cost=2),
    ]
    chosen, decision, rows = choose(trials, 0.05, STATISTICS)
    assert chosen.recipe.prompt == "cheap"
    assert (decision["decision"], decision["compared"], decision["better"]) == ("promote", 3, 3)
    assert [row["name"] for row in rows] == ["cheap", "dear", "good", "now"]


def test_many_comparisons_make_a_win_harder() -> None:
    present, better = _measured("now", _share(0.5)), _measured("new", _share(0.6))
    assert choose([present, better], 0.05, STATISTICS)[0] is better
    others = [_measured(f"other {number}", _share(0.5)) for number in range(9)]
    assert choose([present, better, *others], 0.05, STATISTICS)[0] is present


def test_one_lucky_order_of_the_examples_does_not_win() -> None:
    present = _measured("now", _share(0.5))
    assert choose([present, _measured("lucky", _share(0.9, 0.5, 0.5))], 0.05, STATISTICS)[0] is present
    assert choose([present, _measured("steady", _share(0.9, 0.85, 0.8))], 0.05, STATISTICS)[0] is not present


@pytest.mark.parametrize("orders", [1, 3])
def test_nothing_wins_too_often_where_nothing_is_better(orders: int) -> None:
    """With 5 others that are as good, something wins in at most 5 % of the cases, beyond chance of the simulation."""
    random, wins = np.random.default_rng(5), 0
    for _ in range(200):
        clips = random.random(40)
        trials = [_measured(str(number), (random.random((orders, 40)) + clips) < 1) for number in range(6)]
        wins += choose(trials, 0.05, STATISTICS)[0] is not trials[0]
    assert wins <= 200 * 0.05 + 2 * np.sqrt(200 * 0.05 * 0.95)
