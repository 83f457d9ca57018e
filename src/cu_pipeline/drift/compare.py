"""The comparison of traffic with what models learned from: all tests together and the decision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import numpy as np

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.multiple_tests import holm
from cu_pipeline.drift.asking import Asked, Asking, seeded
from cu_pipeline.drift.clip_tests import EFFECTS
from cu_pipeline.drift.looks import Look, last_drift
from cu_pipeline.drift.options import DriftOptions
from cu_pipeline.drift.power import Needed, needed_clips
from cu_pipeline.drift.samples import ClipSample
from cu_pipeline.drift.service import ServiceAsked, ask_of_service
from cu_pipeline.drift.unit_statistics import UnitStatistic, p_values
from cu_pipeline.drift.windows import LATEST, Window, cut_windows, describe

RESAMPLES: Final = 200
"""Draws of units behind the interval of an effect."""

MOST_PERMUTATIONS: Final = 100_000
"""However small the level of a look is, no more relabellings are drawn."""

_AGAIN: Final = 0.01
"""A test whose first p-value is at most this gets another on more relabellings, which alone counts then."""

_MARGIN: Final = 4
_NORMAL: Final = 1.959964
_DIGITS: Final = 5


class DriftDecision(StrEnum):
    """What a comparison found."""

    DRIFT = "drift"
    NO_DRIFT = "no_drift"
    NOT_ENOUGH_DATA = "not_enough_data"


@dataclass(frozen=True)
class TestResult:
    """One test's outcome; drift needs an adjusted p-value within the look's level and an effect that counts."""

    __test__ = False

    name: str
    window: str
    kind: str
    method: str
    statistic: float
    p_value: float
    p_adjusted: float
    effect: float
    effect_low: float
    effect_high: float
    least_effect: float
    drifted: bool
    in_words: str


@dataclass(frozen=True)
class Comparison:
    """All tests' outcome.

    Attributes:
        decision: drift if any test drifted.
        look: at which level.
        tests: in the order asked, window by window.
        skipped: test -> why it was left out.
        missing: how many more current clips are needed; 0 where the tests were run.
        windows: that were compared, `latest` first.
        novel: part of the embeddings -> request ids of the latest clips that are far from the reference.
        needed: how many clips it takes to find what.
    """

    decision: DriftDecision
    look: Look
    tests: list[TestResult] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    missing: int = 0
    windows: list[Window] = field(default_factory=list)
    novel: dict[str, list[str]] = field(default_factory=dict)
    needed: list[Needed] = field(default_factory=list)


def compare(
    references: Mapping[str, ClipSample],
    current: ClipSample,
    capabilities: Mapping[str, Kind],
    options: DriftOptions,
    seed: int,
    look: Look,
    earlier: Sequence[Look] = (),
) -> Comparison:
    """Test whether current clips are distributed as those that the served models learned from.

    Each test is one by randomisation over units, and Holm's method adjusts the p-values of all tests of both windows,
    so the chance of declaring drift where there is none is at most `look.alpha`. Tests whose clips are all alike are
    listed with p = 1 and are no part of the family.

    Args:
        references: capability -> clips that its served model learned from, with a column `split`; `options` says which
            splits serve for what. Several may be the same clips.
        current: clips that were predicted by the served models, oldest first. What the service does is tested where
            its `beside` tells.
        capabilities: whose predictions are tested, with their kinds.
        options: what is tested and how.
        seed: makes the result repeatable.
        look: this one, whose level counts.
        earlier: looks before it.

    Returns:
        The decision and each test.

    Raises:
        ConfigurationError: options do not fit the tables.
    """
    distinct = {id(sample): sample.with_units("reference") for sample in references.values()}
    before = {name: distinct[id(sample)] for name, sample in references.items()}
    now = current.with_units("traffic")
    known = {str(unit) for sample in distinct.values() for unit in sample.units()}
    windows = cut_windows(now, last_drift(earlier, look.time), options)
    empty = Comparison(
        DriftDecision.NOT_ENOUGH_DATA, look, windows=[describe(name, one, known) for name, one in windows.items()]
    )
    latest = windows[LATEST]
    if (missing := options.min_clips - len(latest)) > 0:
        return replace(empty, missing=missing)
    if (units := empty.windows[0].units) < options.min_units:
        told = f"the latest clips are of {units} creators or contents, which count as one each"
        return replace(empty, skipped={"all tests": f"{told}; {options.min_units} are needed"})
    asked: list[Asked] = []
    skipped: dict[str, str] = {}
    for window, sample in windows.items():
        asking = Asking(window, options, seed)
        asked += asking.tests(before, sample, capabilities)
        skipped |= asking.skipped
    service = ServiceAsked() if current.beside is None else ask_of_service(current.beside, known, options)
    asked, skipped = asked + service.asked, skipped | service.skipped
    if not asked:
        return replace(empty, skipped=skipped)
    results = _results(asked, look, options, seed)
    drifted = any(result.drifted for result in results)
    return replace(
        empty,
        decision=DriftDecision.DRIFT if drifted else DriftDecision.NO_DRIFT,
        tests=results,
        skipped=skipped,
        windows=[*empty.windows, *service.windows],
        novel=_novel(asked, latest),
        needed=needed_clips([one for one in asked if one.window == LATEST], options),
    )


def _results(asked: Sequence[Asked], look: Look, options: DriftOptions, seed: int) -> list[TestResult]:
    """Test all together."""
    family = [place for place, one in enumerate(asked) if not one.statistic.constant]
    p = _randomised(asked, family, options.permutations, seeded(seed, "first"))
    more = min(MOST_PERMUTATIONS, int(_MARGIN * max(1, len(family)) / max(look.alpha, 1e-12)))
    if more > options.permutations:
        small = [place for place in family if p[place] <= max(_AGAIN, 2 / (options.permutations + 1))]
        p |= _randomised(asked, small, more, seeded(seed, "again"))
    adjusted = dict(zip(family, holm([p[place] for place in family]), strict=True))
    rng = seeded(seed, "intervals")
    return [
        _result(one, p.get(place, 1.0), adjusted.get(place, 1.0), look, options, rng) for place, one in enumerate(asked)
    ]


def _randomised(
    asked: Sequence[Asked], places: Sequence[int], permutations: int, rng: np.random.Generator
) -> dict[int, float]:
    """The p-values of the tests at some places; those of the same clips share their draws."""
    by_design: dict[int, list[int]] = {}
    for place in places:
        by_design.setdefault(id(asked[place].design), []).append(place)
    found: dict[int, float] = {}
    for same in by_design.values():
        values = p_values(asked[same[0]].design, [asked[place].statistic for place in same], permutations, rng)
        found |= dict(zip(same, values, strict=True))
    return found


def _result(
    asked: Asked, p: float, adjusted: float, look: Look, options: DriftOptions, rng: np.random.Generator
) -> TestResult:
    test, least = asked.test, options.least_effects.of(asked.test.kind)
    statistic, effect, wide = 0.0, 0.0, 0.0
    if not asked.statistic.constant:
        statistic = asked.statistic.observed()
        effect, wide = _effect(asked, rng)
    return TestResult(
        name=test.name,
        window=asked.window,
        kind=test.kind,
        method=test.method,
        statistic=statistic,
        p_value=p,
        p_adjusted=adjusted,
        effect=round(effect, _DIGITS),
        effect_low=round(max(0.0, effect - wide), _DIGITS),
        effect_high=round(effect + wide, _DIGITS),
        least_effect=least,
        drifted=adjusted <= look.alpha and effect >= least,
        in_words=test.in_words,
    )


def _effect(asked: Asked, rng: np.random.Generator) -> tuple[float, float]:
    """The effect of a test, and half the width of its interval, by resampling units."""
    told, size = asked.statistic, EFFECTS[asked.test.effect]
    if asked.test.measured is not None:
        told = UnitStatistic(asked.design, asked.test.measured, asked.test.combine)
    if told.constant:
        return 0.0, 0.0
    errors = told.standard_errors()
    drawn = size(told.resampled(RESAMPLES, rng), errors)
    return float(size(told.difference(), errors)), _NORMAL * float(drawn.std())


def _novel(asked: Sequence[Asked], latest: ClipSample) -> dict[str, list[str]]:
    ids = latest.table["request_id"] if "request_id" in latest.table else latest.table.index.to_series().astype(str)
    return {
        one.test.name.removeprefix("novelty_"): [str(ids[row]) for row in one.test.novel]
        for one in asked
        if one.window == LATEST and one.test.kind == "novelty"
    }
