"""The state of rollouts in words."""

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from cu_pipeline.rollout.betting import Tally, confidence_sequence
from cu_pipeline.rollout.evidence import Evidence
from cu_pipeline.rollout.judgement import Name, Test, odds, tests
from cu_pipeline.rollout.plan import Limits, Rollout

_MOST = 1000  # times today's evidence; beyond, no forecast is worth a number


def in_words(rollout: Rollout, evidence: Evidence | None) -> str:
    """Tell all of one rollout."""
    return "\n".join([heading(rollout), *(f"  {line}" for line in _lines(rollout, evidence))])


def in_json(rollouts: Sequence[tuple[Rollout, Evidence | None]]) -> str:
    """Tell all for programs: plan, evidence, tests with natural logarithms of their odds."""
    return json.dumps([_as_json(*one) for one in rollouts], indent=2, ensure_ascii=False)


def heading(rollout: Rollout) -> str:
    """What is tried, and how."""
    how = (
        f"in the shadow of {rollout.champion}, nobody gets its answers"
        if rollout.mode == "shadow"
        else f"beside {rollout.champion}, {rollout.percent:g} % of {rollout.sticky}s get its answers"
    )
    return (
        f"{rollout.capability}: {rollout.challenger} {how}; since {rollout.started:%Y-%m-%d %H:%M} UTC by {rollout.by}"
    )


def _lines(rollout: Rollout, evidence: Evidence | None) -> Iterator[str]:
    if rollout.ended is not None:
        yield f"{rollout.status.replace('_', ' ')} at {rollout.ended:%Y-%m-%d %H:%M} UTC: {rollout.reason}"
    if evidence is None:
        yield "no evidence: a running service looks every 10 seconds, and writes it beside the plan"
        return
    limits, found = rollout.limits, tests(rollout.limits, evidence)
    until = "" if evidence.until is None else f", until {evidence.until:%Y-%m-%d %H:%M:%S} UTC"
    yield f"{evidence.requests:,} requests answered by both, feedback on {evidence.feedback:,}{until}"
    yield _effect(evidence.quality, limits)
    for name, told in _shown(limits, evidence):
        yield f"{told}: odds {odds(found[name].log_odds)} ({odds(found[name].needed)} decide)"
    if rollout.is_running:
        yield _outlook(limits, found)
        last = rollout.started + timedelta(days=limits.days)
        yield f"rolled back if nothing decides by {last:%Y-%m-%d %H:%M} UTC or {limits.requests:,} requests"


def _effect(tally: Tally, limits: Limits) -> str:
    low, high = confidence_sequence(tally, limits.alpha)
    return (
        f"right answers {tally.mean:+.1%} [{low:+.1%}, {high:+.1%}] against the champion's, of {tally.n:,} creators: "
        f"alone right {tally.up:,}, the champion alone {tally.down:,} ({1 - limits.alpha:.0%}, whenever you look)"
    )


def _shown(limits: Limits, evidence: Evidence) -> Iterator[tuple[Name, str]]:
    yield "better", "better" if limits.goal == "better" else f"not worse by {limits.margin:.0%} or more"
    yield "worse", "worse"
    differing, slow, failing = evidence.disagreement, evidence.latency, evidence.errors
    yield (
        "disagreement",
        f"differs for {differing.mean:.1%} of {differing.n:,} creators, limit {limits.disagreement:.0%}",
    )
    yield (
        "errors",
        f"fails alone in {failing.up:,} of {failing.n:,}, the champion in {failing.down:,}, limit {limits.errors:.1%}",
    )
    yield "latency", f"over {limits.latency:g} times as slow in {slow.mean:.1%} of {slow.n:,}, limit 50%"


def _outlook(limits: Limits, found: dict[Name, Test]) -> str:
    """What is still needed for a decision about quality."""
    tally = found["better"].tally
    if tally.n < limits.units:
        return f"needed: feedback on clips of at least {limits.units - tally.n:,} more creators"
    ahead = max(found["better"], found["worse"], key=lambda test: test.log_odds)
    more = more_units(ahead, limits)
    if more is None:
        return "needed: more feedback; nothing shows so far in which direction"
    return f"needed: as things go, feedback on clips of about {more:,} more creators shows it {ahead.name}"


def more_units(test: Test, limits: Limits) -> int | None:
    """How many more units decide, if they are like those so far; None: no number is worth telling."""
    for times in np.geomspace(1, _MOST, 200):
        tally = test.tally
        grown = Tally(*(round(times * count) for count in (tally.down, tally.same, tally.up)))
        quality = grown if test.name == "better" else grown.flipped
        if tests(limits, Evidence(quality=quality))[test.name].decides:
            return grown.n - tally.n
    return None


def _as_json(rollout: Rollout, evidence: Evidence | None) -> dict[str, Any]:
    told: dict[str, Any] = {"rollout": rollout.model_dump(mode="json"), "evidence": None, "tests": {}}
    if evidence is not None:
        low, high = confidence_sequence(evidence.quality, rollout.limits.alpha)
        told["evidence"] = evidence.model_dump(mode="json")
        told["effect"] = {"mean": evidence.quality.mean, "low": low, "high": high, "units": evidence.quality.n}
        told["tests"] = {
            name: {"log_odds": test.log_odds, "needed": test.needed, "decides": test.decides}
            for name, test in tests(rollout.limits, evidence).items()
        }
    return told
