"""What rules that are wrong about new traffic cost, simulated; bounds are held with two Monte Carlo standard errors.

`nightly` runs have ten times as many worlds.
"""

import numpy as np
import pandas as pd
import pytest
from tests.iterate.wrong_rules_world import accuracies

RUNS = pytest.mark.parametrize("runs", [4, pytest.param(40, marks=pytest.mark.nightly)])

HARM = {"95 % right": 0.0, "80 % right": 0.01, "60 % right": 0.02, "slang": 0.02}
"""By how much a challenger may be worse than one that learned from people's labels alone."""


@RUNS
def test_rules_that_are_wrong_do_a_challenger_no_real_harm(runs: int) -> None:
    found = pd.DataFrame([accuracies(seed) for seed in range(runs)])
    gains = found.sub(found["alone"], axis=0)
    mean, error = gains.mean(), gains.std(ddof=1) / np.sqrt(runs)
    told = pd.DataFrame({"right": found.mean(), "gain": mean, "error of it": error})
    print((100 * told).round(1))  # noqa: T201 - the table of the decision record
    assert abs(found["first, before"].mean() - 0.85) < 0.04
    assert abs(found["first"].mean() - 0.7) < 0.04
    for name, harm in HARM.items():
        assert mean[name] > -harm - 2 * error[name], name
    assert mean["slang"] > mean["slang, believed"] + 0.01, "else a check of rules is of no use"
