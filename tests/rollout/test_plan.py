"""Who gets the challenger's answers, and how a rollout is kept."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.rollout import plan
from cu_pipeline.rollout.plan import Rollout, assign, sticky_key

KEYS = [sticky_key(f"creator {number}", "") for number in range(20_000)]


def canary(percent: float = 10.0, **changed: object) -> Rollout:
    told = {"capability": "topic", "challenger": "b", "champion": "a", "mode": "canary", "by": "ann"}
    return Rollout.model_validate({**told, "percent": percent, "started": datetime(2026, 3, 4, tzinfo=UTC), **changed})


def challenged(rollout: Rollout) -> set[str]:
    return {key for key in KEYS if assign(rollout, key) == "challenger"}


def test_the_share_that_is_assigned_is_the_percentage() -> None:
    for percent in (1, 10, 50):
        got = len(challenged(canary(percent))) / len(KEYS)
        assert abs(got - percent / 100) < 4 * np.sqrt(percent / 100 * (1 - percent / 100) / len(KEYS))
    assert challenged(canary(100)) == set(KEYS)


@settings(max_examples=50)
@given(st.floats(0.01, 100), st.floats(0.01, 100), st.text(min_size=1))
def test_a_larger_percentage_sends_nobody_back(one: float, other: float, key: str) -> None:
    less, more = sorted((one, other))
    assert assign(canary(less), key) == "champion" or assign(canary(more), key) == "challenger"


def test_another_rollout_draws_others() -> None:
    first, second = canary(50), canary(50, started=datetime(2026, 3, 5, tzinfo=UTC))
    both = len(challenged(first) & challenged(second)) / len(KEYS)
    assert 0.23 < both < 0.27


def test_a_creator_keeps_the_model_and_with_sticky_clips_each_clip_has_its_own() -> None:
    keys = [sticky_key("ann", f"clip {number}") for number in range(200)]
    assert len({assign(canary(50), key) for key in keys}) == 1
    assert len({assign(canary(50, sticky="clip"), key) for key in keys}) == 2
    assert assign(canary(50), sticky_key("", "c1")) == assign(canary(50, sticky="clip"), sticky_key("", "c1"))


def test_a_shadow_and_a_request_that_nothing_names_are_the_champions() -> None:
    assert not challenged(canary(100, mode="shadow"))
    assert assign(canary(100), sticky_key("", "")) == "champion"


def test_a_rollout_comes_back_from_its_file(tmp_path) -> None:
    rollout = canary(12.5)
    plan.write(plan.place_of(tmp_path, "topic"), rollout)
    ended = canary(capability="Safety?").end("stopped", "enough", rollout.started + timedelta(days=1))
    plan.write(plan.place_of(tmp_path, "Safety?"), ended)
    assert plan.all_of(tmp_path) == {"topic": rollout, "Safety?": ended}
    assert plan.running(tmp_path) == {"topic": rollout}


def test_a_damaged_plan_is_told_with_its_place(tmp_path) -> None:
    place = plan.place_of(tmp_path, "topic")
    place.mkdir()
    (place / plan.PLAN).write_text('{"capability": "topic"')
    with pytest.raises(ConfigurationError, match="is no plan of a rollout"):
        plan.running(tmp_path)


@pytest.mark.parametrize("wrong", [{"percent": 0}, {"percent": 101}, {"challenger": "a"}, {"mode": "both"}])
def test_what_cannot_be_a_rollout_is_refused(wrong) -> None:
    with pytest.raises(ValidationError):
        canary(**wrong)


def test_the_folder_is_beside_the_champions_unless_it_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv(plan.VARIABLE, raising=False)
    assert plan.rollouts_folder(tmp_path / "champions") == tmp_path / "rollouts"
    monkeypatch.setenv(plan.VARIABLE, "/elsewhere")
    assert str(plan.rollouts_folder(tmp_path / "champions")) == "/elsewhere"
