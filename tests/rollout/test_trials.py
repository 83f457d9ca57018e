"""A rollout's folder: one start of several, what is left after the end."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.rollout import plan, trials
from cu_pipeline.rollout.betting import Tally
from cu_pipeline.rollout.evidence import Evidence
from cu_pipeline.rollout.plan import Rollout

START = datetime(2026, 3, 4, tzinfo=UTC)


def model(level=1.0):
    weights = {"level": np.array([level, 0.0], dtype=np.float32)}
    return Bundle("topic", Kind.SINGLE, ("cooking", "sport"), "majority", {}, weights, {})


def begun(bundle, champion="a1"):
    return Rollout(capability="topic", challenger=bundle.version, champion=champion, started=START, by="ann")


def test_of_many_starts_at_once_one_wins(tmp_path):
    bundles = [model(number) for number in range(1, 9)]

    def start(bundle):
        try:
            trials.start(tmp_path, begun(bundle), bundle)
        except ConfigurationError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(start, bundles))
    won = bundles[said.index("")]
    assert said.count("") == 1
    assert all(f"a rollout of {won.version} runs since 2026-03-04 00:00 UTC" in one for one in said if one)
    place = plan.place_of(tmp_path, "topic")
    assert Bundle.load(place).version == plan.running(tmp_path)["topic"].challenger == won.version
    assert trials.holds_challenger(place)


def test_after_the_end_the_plan_stays_and_another_may_start(tmp_path):
    first, second = model(1), model(2)
    trials.start(tmp_path, begun(first), first)
    trials.keep_evidence(tmp_path, "topic", Evidence(requests=3, quality=Tally(up=2)))
    with trials.changing(tmp_path):
        trials.finish(tmp_path, begun(first), "rolled_back", "it was worse", START)
    place = plan.place_of(tmp_path, "topic")
    assert not trials.holds_challenger(place)
    assert {file.name for file in place.iterdir()} == {"rollout.json", "evidence.json"}
    assert trials.read_evidence(tmp_path, "topic") == Evidence(requests=3, quality=Tally(up=2))
    with pytest.raises(ConfigurationError, match="no rollout runs any more: rolled back, it was worse"):
        trials.running(tmp_path, "topic")
    trials.start(tmp_path, begun(second), second)
    assert plan.running(tmp_path)["topic"].challenger == second.version
    assert trials.read_evidence(tmp_path, "topic") is None


def test_the_percentage_changes_within_bounds_and_makes_a_canary(tmp_path):
    bundle = model()
    with pytest.raises(ConfigurationError, match=r"topic: no rollout runs\. Rollouts that run: none"):
        trials.set_percent(tmp_path, "topic", 20)
    trials.start(tmp_path, begun(bundle), bundle)
    for wrong in (0, -1, 100.5, float("nan")):
        with pytest.raises(ConfigurationError, match="above 0 and at most 100"):
            trials.set_percent(tmp_path, "topic", wrong)
    trials.set_percent(tmp_path, "topic", 25)
    changed = plan.running(tmp_path)["topic"]
    assert (changed.mode, changed.percent, changed.id) == ("canary", 25, begun(bundle).id)
