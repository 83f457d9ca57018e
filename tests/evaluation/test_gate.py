import numpy as np

from cu_pipeline.evaluation.gate import compare, mcnemar, same_model


def test_an_equal_challenger_is_promoted_no_more_often_than_alpha():
    alpha, runs = 0.05, 1000
    random = np.random.default_rng(0)
    promoted = 0
    for _ in range(runs):
        difficulty = random.random(40)
        right = [random.random(40) < difficulty for _ in range(2)]
        promoted += mcnemar(*right) <= alpha
    assert promoted / runs <= alpha + 2 * np.sqrt(alpha * (1 - alpha) / runs)


def test_a_clearly_better_challenger_is_promoted():
    champion = np.arange(100) % 2 == 0
    decision = compare("new", "old", (np.ones(100, dtype=bool), champion), 0.05)
    assert decision.decision == "promote"
    assert decision.effect == 0.5


def test_a_slightly_better_challenger_is_not_promoted():
    champion = np.arange(100) != 0
    decision = compare("new", "old", (np.ones(100, dtype=bool), champion), 0.05)
    assert decision.decision == "keep"
    assert "not shown to be better" in decision.reasons[0]


def test_the_champion_is_not_promoted_over_itself():
    assert same_model("v").decision == "keep"
