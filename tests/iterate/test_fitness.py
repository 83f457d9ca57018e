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


@pytest.mark.parametrize(("right", "fit"), [(30, True), (28, True), (27, False), (20, False), (0, False)])
def test_a_champion_is_held_against_what_is_promised_of_it(right: int, fit: bool) -> None:
    found = judge("v1", audited(right), PROMISE, OPTIONS, BOOTSTRAP)
    assert (found.fit, found.right, found.clips, found.promised) == (fit, right, 30, 0.9)
    assert f"it answers {right} of 30 right" in found.why
    assert found.low <= found.accuracy <= found.high


def test_what_a_doubtful_promise_leaves_open_is_not_ruled_out() -> None:
    doubtful = Promise(0.9, 0.1, 5)
    assert not judge("v1", audited(28), doubtful, OPTIONS, BOOTSTRAP).fit
    assert judge("v1", audited(28), doubtful, AuditOptions(worst_drop=0.2), BOOTSTRAP).fit


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
    alone = p_value(PairedGain.of(right, np.arange(30)), PROMISE, 0.5)
    assert p_value(PairedGain.of(right, np.repeat(np.arange(6), 5)), PROMISE, 0.5) > 2 * alone


def test_a_few_units_that_are_all_right_do_not_rule_a_fall_out() -> None:
    few, many = (PairedGain.of(np.ones(30), np.arange(30) // size) for size in (6, 1))
    assert p_value(few, PROMISE, 0.05) > 5 * p_value(many, PROMISE, 0.05)
    assert p_value(few, PROMISE, 0.05) > OPTIONS.alpha


WORLDS = {
    "own": {"fresh": 1.0, "promised": (100, 1.0), "icc": 0.0},
    "pairs": {"fresh": 1.2, "promised": (120, 1.5), "icc": 0.2},
    "creators": {"fresh": 1.5, "promised": (71, 4.4), "icc": 0.2},
    "alike": {"fresh": 2.5, "promised": (120, 2.5), "icc": 0.5},
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


def _called_fit(world: str, promised: float, drop: float, clips: int = 60, worlds: int = 600) -> float:
    """How often a champion is taken for fit."""
    told, rng = WORLDS[world], np.random.default_rng([17, clips, round(100 * promised), round(100 * drop)])
    fit = 0
    for _ in range(worlds):
        own = _right(promised, _sizes(*told["promised"], rng), told["icc"], rng)
        fresh = _right(promised - drop, _sizes(clips, told["fresh"], rng), told["icc"], rng)
        promise = Promise(own.effect, own.standard_error, own.freedom)
        fit += held_against(fresh, promise, OPTIONS)[1]
    return fit / worlds


@pytest.mark.parametrize("promised", [0.95, 0.9, 0.8])
@pytest.mark.parametrize("world", WORLDS)
def test_a_fall_by_5_points_is_passed_over_no_more_often_than_alpha(world: str, promised: float) -> None:
    """In worlds of any likeness; the bound is alpha and three standard errors of the simulation."""
    bound = OPTIONS.alpha + 3 * (OPTIONS.alpha * (1 - OPTIONS.alpha) / 600) ** 0.5
    assert max(_called_fit(world, promised, OPTIONS.worst_drop, clips) for clips in (30, 60)) <= bound


def test_60_clips_pass_half_of_fit_champions_and_hardly_one_that_fell_by_15_points() -> None:
    assert _called_fit("own", 0.9, 0.0) >= 0.5
    assert max(_called_fit(world, 0.9, 0.15) for world in WORLDS) <= 0.05
