"""What rules that are wrong about new traffic cost, simulated: mean accuracies over seeds, held with their errors."""

import numpy as np
import pandas as pd
import pytest
from tests.iterate.wrong_rules_world import accuracies

RUNS = pytest.mark.parametrize(
    ("runs", "arms"),
    [
        (4, ("80 % right", "slang")),
        pytest.param(40, ("95 % right", "80 % right", "60 % right", "slang"), marks=pytest.mark.nightly),
    ],
)
"""Worlds, and how rules err in them."""

HARM = {"95 % right": 0.0, "80 % right": 0.01, "60 % right": 0.02, "slang": 0.02}
"""By how much a challenger may be worse than one that learned from people alone."""


@RUNS
def test_rules_that_are_wrong_do_a_challenger_no_real_harm(runs: int, arms: tuple[str, ...]) -> None:
    found = pd.DataFrame([accuracies(seed, arms) for seed in range(runs)])
    print((100 * found.describe().loc[["mean", "std"]]).round(1).T)  # noqa: T201
    assert abs(found["first, before"].mean() - 0.85) < 0.04
    assert abs(found["first"].mean() - 0.7) < 0.04

    def gain(name: str) -> tuple[float, float]:
        """By how much a challenger is better than without clips that go along, and twice the error of that."""
        more = found[name] - found["alone"]
        return float(more.mean()), 2 * float(more.std(ddof=1) / np.sqrt(runs))

    for name in arms:
        mean, error = gain(name)
        assert mean > -HARM[name] - error, name
    believed, error = gain("slang, believed")
    assert gain("slang")[0] > believed + 0.01, "else a check of rules is of no use"
