"""The comparison of two samples of clips: all tests together, the decision, and both in words."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.multiple_tests import holm
from cu_pipeline.core.records import Split
from cu_pipeline.drift.clip_tests import DriftTest, Sides
from cu_pipeline.drift.options import DriftOptions
from cu_pipeline.drift.samples import ClipSample, part_titles, shared_parts
from cu_pipeline.drift.table import Purpose, drift_tests
from cu_pipeline.drift.two_sample import Mask, p_value, relabellings


class DriftDecision(StrEnum):
    """What a comparison found."""

    DRIFT = "drift"
    NO_DRIFT = "no_drift"
    NOT_ENOUGH_DATA = "not_enough_data"


@dataclass(frozen=True)
class TestResult:
    """One test's outcome; `p_adjusted` is what `drifted` is decided on."""

    __test__ = False

    name: str
    kind: str
    method: str
    statistic: float
    p_value: float
    p_adjusted: float
    effect: float
    drifted: bool
    in_words: str


@dataclass(frozen=True)
class Comparison:
    """All tests' outcome.

    Attributes:
        decision: drift if any test drifted.
        tests: in the order asked.
        skipped: test -> why it was left out.
        missing: how many more current clips are needed; 0 where the tests were run.
    """

    decision: DriftDecision
    tests: list[TestResult] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    missing: int = 0


@dataclass(frozen=True)
class _Outcome:
    test: DriftTest
    p_value: float
    statistic: float
    effect: float


def compare(
    reference: ClipSample,
    current: ClipSample,
    capabilities: dict[str, Kind],
    options: DriftOptions,
    seed: int,
) -> Comparison:
    """Test whether current clips are distributed as the reference's.

    Each test is one by permutation and the p-values are adjusted by Holm's method, so the chance
    of declaring drift where there is none is at most `options.alpha`, provided that clips are independent (or
    their groups are given). Tests whose pool is constant are listed with p = 1 and are no part of the family.

    Args:
        reference: clips with a column `split`; `options` says which splits serve for what.
        current: clips that were predicted by the models that also predicted the reference.
        capabilities: those to test, with their kinds.
        options: what is tested and how.
        seed: makes the result repeatable.

    Returns:
        The decision and each test.

    Raises:
        ConfigurationError: options do not fit the tables.
    """
    if (missing := options.min_clips - len(current)) > 0:
        return Comparison(DriftDecision.NOT_ENOUGH_DATA, missing=missing)
    outcomes: list[_Outcome] = []
    skipped: dict[str, str] = {}
    splits_of: dict[Purpose, tuple[Split, ...]] = {
        "inputs": options.reference_splits,
        "predictions": options.prediction_splits,
    }
    for purpose, splits in splits_of.items():
        side = ClipSample(reference.table[reference.table["split"].isin(splits)])
        if len(side) < options.min_reference:
            skipped[purpose] = (
                f"the reference has {len(side)} clips of {' and '.join(splits)}; {options.min_reference} are needed"
            )
            continue
        found, without = _outcomes(purpose, side, current, capabilities, options, seed)
        outcomes += found
        skipped |= without
    _, apart = shared_parts(reference, current)
    reason = "the reference and the served models read other features"
    skipped |= {f"embedding_{shown}": reason for shown in part_titles(apart).values()}
    if not outcomes:
        return Comparison(DriftDecision.NOT_ENOUGH_DATA, skipped=skipped)
    results = _adjusted(outcomes, options)
    drifted = any(result.drifted for result in results)
    return Comparison(DriftDecision.DRIFT if drifted else DriftDecision.NO_DRIFT, results, skipped)


def _outcomes(
    purpose: Purpose,
    reference: ClipSample,
    current: ClipSample,
    capabilities: dict[str, Kind],
    options: DriftOptions,
    seed: int,
) -> tuple[list[_Outcome], dict[str, str]]:
    """Make the tests of one purpose; besides, say which are left out and why."""
    rng = np.random.default_rng([seed, *hashlib.sha256(purpose.encode()).digest()])
    before, now = (side.thinned(options.max_clips, rng) for side in (reference, current))
    everything = _Relabelled.of(before, now, options, rng)
    if purpose == "inputs":
        return everything.outcomes(drift_tests(purpose, Sides(before, now, options.facts, {}))), {}
    limited: dict[str, tuple[ClipSample, ClipSample]] = {}
    shared = _shared(capabilities, before, now)
    for name in shared:
        answered = before.answered(name), now.answered(name)
        if answered[0] is not before or answered[1] is not now:
            limited[name] = answered
    whole = {name: kind for name, kind in shared.items() if name not in limited}
    outcomes = everything.outcomes(drift_tests(purpose, Sides(before, now, options.facts, whole)))
    skipped: dict[str, str] = {}
    for name, sides in limited.items():
        if reason := _too_few(*sides, options):
            skipped[f"predictions of {name}"] = reason
            continue
        own = np.random.default_rng([seed, *hashlib.sha256(f"{purpose}/{name}".encode()).digest()])
        made = drift_tests(purpose, Sides(*sides, options.facts, {name: shared[name]}))
        known = {outcome.test.name for outcome in outcomes}
        outcomes += _Relabelled.of(*sides, options, own).outcomes(test for test in made if test.name not in known)
    return outcomes, skipped


def _too_few(reference: ClipSample, current: ClipSample, options: DriftOptions) -> str:
    """Say why the clips that a capability applies to are too few to be compared; "" where they are not."""
    if len(reference) < options.min_reference:
        return f"it applies to {len(reference)} clips of the reference; {options.min_reference} are needed"
    if len(current) < options.min_clips:
        return f"it applies to {len(current)} clips of the service; {options.min_clips} are needed"
    return ""


@dataclass(frozen=True)
class _Relabelled:
    """Which clips are current, as they are, (clips,), and relabelled at random, (permutations, clips)."""

    observed: Mask
    at_random: Mask

    @classmethod
    def of(cls, before: ClipSample, now: ClipSample, options: DriftOptions, rng: np.random.Generator) -> "_Relabelled":
        """Relabel the clips of two samples, units as one."""
        observed = np.repeat([False, True], [len(before), len(now)])
        groups = [side.groups() for side in (before, now)]
        pooled = None if any(side is None for side in groups) else np.concatenate([g for g in groups if g is not None])
        return cls(observed, relabellings(observed, options.permutations, rng, pooled))

    def outcomes(self, tests: Iterable[DriftTest]) -> list[_Outcome]:
        """Make tests on these clips."""
        return [_outcome(test, self.observed, self.at_random) for test in tests]


def _outcome(test: DriftTest, observed: Mask, relabelled: Mask) -> _Outcome:
    if test.statistic.constant:
        return _Outcome(test, 1.0, 0.0, 0.0)
    value = float(test.statistic(observed[None])[0])
    p = p_value(value, test.statistic(relabelled))
    return _Outcome(test, p, value, test.statistic.effect(observed))


def _shared(capabilities: dict[str, Kind], before: ClipSample, now: ClipSample) -> dict[str, Kind]:
    both = before.capabilities() & now.capabilities()
    return {name: kind for name, kind in capabilities.items() if name in both}


def _adjusted(outcomes: list[_Outcome], options: DriftOptions) -> list[TestResult]:
    family = [outcome for outcome in outcomes if not outcome.test.statistic.constant]
    if options.alpha * (options.permutations + 1) < len(family):
        raise ConfigurationError(
            f"monitor.permutations = {options.permutations} can never show drift at alpha = {options.alpha} among "
            f"{len(family)} tests: set it to {int(len(family) / options.alpha)} or more"
        )
    by_name = {
        outcome.test.name: adjusted
        for outcome, adjusted in zip(family, holm([outcome.p_value for outcome in family]), strict=True)
    }
    return [_result(outcome, by_name.get(outcome.test.name, 1.0), options.alpha) for outcome in outcomes]


def _result(outcome: _Outcome, p_adjusted: float, alpha: float) -> TestResult:
    return TestResult(
        name=outcome.test.name,
        kind=outcome.test.kind,
        method=outcome.test.method,
        statistic=outcome.statistic,
        p_value=outcome.p_value,
        p_adjusted=p_adjusted,
        effect=outcome.effect,
        drifted=p_adjusted <= alpha,
        in_words=outcome.test.in_words,
    )


def summarise(comparison: Comparison, clips: int, options: DriftOptions) -> str:
    """Say in plain words what a comparison found.

    Args:
        comparison: the outcome.
        clips: how many current clips there were.
        options: what was asked for.
    """
    return _TEXTS[comparison.decision](comparison, clips, options) + _left_out(comparison)


def _not_enough(comparison: Comparison, clips: int, options: DriftOptions) -> str:
    if not comparison.missing:
        return "Not enough data: the reference is too small."
    return (
        f"Not enough data: the service has answered for {clips} distinct clips with the current models, and "
        f"{options.min_clips} are needed; {comparison.missing} more will do."
    )


def _none(comparison: Comparison, clips: int, options: DriftOptions) -> str:
    tests = len(comparison.tests)
    return (
        f"No drift found: none of {tests} tests on {clips} clips tells them from the reference, at a chance of "
        f"{options.alpha:.0%} of any false alarm."
    )


def _found(comparison: Comparison, clips: int, options: DriftOptions) -> str:
    drifted = sorted((test for test in comparison.tests if test.drifted), key=lambda test: test.p_adjusted)
    what = "; ".join(f"{test.name} ({test.in_words})" for test in drifted)
    return (
        f"Drift: {len(drifted)} of {len(comparison.tests)} tests tell these {clips} clips from the reference, at "
        f"a chance of {options.alpha:.0%} of any false alarm: {what}."
    )


_TEXTS = {
    DriftDecision.NOT_ENOUGH_DATA: _not_enough,
    DriftDecision.NO_DRIFT: _none,
    DriftDecision.DRIFT: _found,
}


def _left_out(comparison: Comparison) -> str:
    return "".join(f" Left out: {name}, since {why}." for name, why in comparison.skipped.items())
