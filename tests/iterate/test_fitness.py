from typing import Any

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.evaluation.bootstrap import Bootstrap
from cu_pipeline.evaluation.paired_test import PairedGain
from cu_pipeline.iterate.fitness import Audited, Promise, held_against, judge, p_value
from cu_pipeline.iterate.options import AuditOptions

BOOTSTRAP = Bootstrap(17, 100)
OPTIONS = AuditOptions()
PROMISE = Promise(0.9, 0.03, 99)


def audited(right: int, clips: int = 30, per_unit: int = 1) -> Audited:
    truth = ["a"] * clips
    said = [{"a": 0.8, "b": 0.2} if place < right else {"a": 0.3, "b": 0.7} for place in range(clips)]
    named = [max(row, key=lambda name: row[name]) for row in said]
    return Audited.of(Kind.SINGLE, truth, said, named, [f"u{place // per_unit}" for place in range(clips)])


@pytest.mark.parametrize(("right", "fit"), [(30, True), (28, True), (26, True), (25, False), (20, False), (0, False)])
def test_a_champion_is_held_against_what_is_promised_of_it(right: int, fit: bool) -> None:
    found = judge("v1", audited(right), PROMISE, OPTIONS, BOOTSTRAP)
    assert (found.fit, found.right, found.clips, found.promised) == (fit, right, 30, 0.9)
    assert f"it answers {right} of 30 right" in found.why
    assert found.low <= found.accuracy <= found.high


def test_a_large_drop_counts_though_no_test_shows_it() -> None:
    doubtful = Promise(0.9, 0.1, 5)
    found = judge("v1", audited(24), doubtful, OPTIONS, BOOTSTRAP)
    assert found.p_value > OPTIONS.alpha
    assert not found.fit
    assert judge("v1", audited(24), doubtful, AuditOptions(worst_drop=0.2), BOOTSTRAP).fit


@pytest.mark.parametrize("found", [None, audited(14, 14), audited(30, 30, per_unit=10)])
def test_of_few_clips_or_creators_nothing_is_said(found: Audited | None) -> None:
    said = judge("v1", found, PROMISE, OPTIONS, BOOTSTRAP)
    assert (said.fit, said.accuracy) == (None, None)
    assert "15 (iterate.audit.least_clips) of 5 creators are needed" in said.why


def test_a_model_that_promises_nothing_is_not_known_to_be_fit() -> None:
    found = judge("v1", audited(30), None, OPTIONS, BOOTSTRAP)
    assert (found.fit, found.accuracy) == (None, 1.0)
    assert "nothing is promised of it" in found.why


def test_the_promise_is_that_of_this_very_model() -> None:
    row = {"model_version": "v1", "accuracy": 0.9, "low": 0.8, "high": 0.95, "clips": 71, "units": 16}
    assert Promise.of(row, "v2") is None
    assert Promise.of(None, "v1") is None
    assert Promise.of(row, "v1").error == pytest.approx(0.075 / 2.131, rel=1e-3)


def test_a_class_that_the_model_does_not_know_is_a_mistake_and_no_answer_is_the_likeliest_class() -> None:
    said = [{"a": 0.9, "b": 0.1}, {"a": 0.6, "b": 0.4}]
    found = Audited.of(Kind.SINGLE, ["travel", "a"], said, ["a", "abstain"], ["u", "v"])
    assert found.answers.correct().tolist() == [False, True]
    several = [{"advert": 0.9, "violence": 0.6}] * 2
    found = Audited.of(Kind.MULTI, ["advert", "advert|violence"], several, ["advert|violence"] * 2, ["u", "v"])
    assert found.answers.correct().tolist() == [False, True]


def test_units_that_are_right_or_wrong_together_prove_less() -> None:
    right = np.repeat([1, 1, 1, 1, 0, 0], 5)
    alone = p_value(PairedGain.of(right, np.arange(30)), PROMISE, 0.02)
    assert p_value(PairedGain.of(right, np.repeat(np.arange(6), 5)), PROMISE, 0.02) > 2 * alone


WORLDS = {
    "own": {"fresh": 1.0, "promised": (100, 1.0), "icc": 0.0},
    "pairs": {"fresh": 1.2, "promised": (120, 1.5), "icc": 0.2},
    "creators": {"fresh": 1.5, "promised": (71, 4.4), "icc": 0.2},
}
"""Clips of a unit on average, in the audit and among so many test clips of the champion's, and how alike they are."""


def _sizes(clips: int, mean: float, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    sizes = 1 + rng.poisson(mean - 1, size=clips)
    return np.repeat(np.arange(clips), sizes)[:clips]


def _right(accuracy: float, units: np.ndarray[Any, Any], icc: float, rng: np.random.Generator) -> PairedGain:
    """Beta-binomial: units differ in how hard they are."""
    spread = (1 - icc) / icc if icc else 1e9
    chances = rng.beta(accuracy * spread, (1 - accuracy) * spread, units.max() + 1)
    return PairedGain.of(rng.random(len(units)) < chances[units], units)


def _called_worse(world: str, drop: float, worlds: int = 600) -> float:
    """How often a champion that promises about 90 % is taken for worse by 30 clips, by both rules."""
    told, rng = WORLDS[world], np.random.default_rng([17, round(100 * drop)])
    worse = 0
    for _ in range(worlds):
        own = _right(0.9, _sizes(*told["promised"], rng), told["icc"], rng)
        fresh = _right(0.9 - drop, _sizes(30, told["fresh"], rng), told["icc"], rng)
        promise = Promise(own.effect, own.standard_error, own.freedom)
        worse += not held_against(fresh, promise, OPTIONS)[1]
    return worse / worlds


@pytest.mark.parametrize("world", WORLDS)
def test_30_clips_tell_a_champion_that_is_as_good_from_one_that_fell_by_15_points(world: str) -> None:
    """Bounds are the promises, and three standard errors of the simulation."""
    false, found = _called_worse(world, 0.0), _called_worse(world, 0.15)
    error = (0.2 * 0.8 / 600) ** 0.5
    assert false <= OPTIONS.alpha + 3 * error
    assert found >= 0.8 - 3 * error


def test_the_test_alone_keeps_to_its_level_where_accuracy_is_just_within_the_tolerance() -> None:
    rng, hits = np.random.default_rng(17), 0
    for _ in range(1000):
        own = _right(0.9, _sizes(120, 1.5, rng), 0.2, rng)
        fresh = _right(0.88, _sizes(30, 1.2, rng), 0.2, rng)
        promise = Promise(own.effect, own.standard_error, own.freedom)
        hits += p_value(fresh, promise, OPTIONS.tolerance) <= OPTIONS.alpha
    assert hits / 1000 <= OPTIONS.alpha + 3 * (0.2 * 0.8 / 1000) ** 0.5
