import json

import pytest

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.labeling.guarantee.alpha_spending import Allowance

CLIPS = ("1", "2", "3")


def test_each_test_on_the_same_clips_is_charged() -> None:
    allowance = Allowance(0.05).spend("llm@1", CLIPS, 0.03).spend("llm@2", CLIPS, 0.02)
    assert allowance.spent(CLIPS) == pytest.approx(0.05)
    with pytest.raises(ConfigurationError, match=r"0 of 0\.05 is left"):
        allowance.spend("llm@3", CLIPS, 0.01)


def test_one_shared_clip_makes_a_test_pay_for_earlier_ones_and_new_clips_are_free() -> None:
    allowance = Allowance(0.05).spend("llm@1", CLIPS, 0.05)
    assert allowance.spent(["3", "4"]) == 0.05
    assert allowance.spent(["4"]) == 0
    with pytest.raises(ConfigurationError, match="label new clips at random"):
        allowance.spend("llm@2", ["3", "4"], 0.01)
    assert len(allowance.spend("llm@2", ["4"], 0.05).uses) == 2


def test_repeating_a_test_is_free() -> None:
    allowance = Allowance(0.05).spend("llm@1", CLIPS, 0.025)
    assert allowance.share("llm@1", CLIPS, 7) == 0.025
    assert allowance.spend("llm@1", CLIPS, 0.025) is allowance


def test_shares_never_run_out_and_add_up_to_the_total() -> None:
    allowance = Allowance(0.06)
    for turn in range(1, 31):
        for test in range(turn):
            delta = allowance.share(f"test {test} of turn {turn}", CLIPS, turn)
            assert delta > 0
            allowance = allowance.spend(f"test {test} of turn {turn}", CLIPS, delta)
    assert allowance.spent(CLIPS) == pytest.approx(0.06 * 30 / 31)


def test_the_record_survives_a_file() -> None:
    allowance = Allowance(0.05).spend("llm@1", CLIPS, 0.025)
    assert Allowance.from_json(json.loads(json.dumps(allowance.as_json()))) == allowance
