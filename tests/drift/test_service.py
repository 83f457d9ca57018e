"""What a service does in its latest period, against the periods before."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tests.drift.worlds import CAPABILITIES, OPTIONS, look, world

from cu_pipeline.drift.clip_tests import Untested
from cu_pipeline.drift.compare import compare
from cu_pipeline.drift.diagnosis import CauseKind, DiagnosisOptions, diagnose
from cu_pipeline.drift.options import DriftOptions, LookOptions
from cu_pipeline.drift.samples import ClipSample
from cu_pipeline.drift.service import ask_of_service
from cu_pipeline.drift.service_tests import rejected_test, reupload_test
from cu_pipeline.drift.stretches import Stretches
from cu_pipeline.drift.unit_statistics import p_values

END = datetime(2026, 4, 1, 12, tzinfo=UTC)


def service(seed, days=14, daily=60, again=0.02, refused=0.02, slow=1.0, burst=(), copies=False):
    """What a service did: each day's answers at random times, more of them by day.

    Args:
        seed: of everything.
        days: of the log.
        daily: answers a day.
        again: share of answers about a content of the same day.
        refused: share of requests that are refused, for two reasons.
        slow: how many times as long answers take in the latest day.
        burst: hours before the end in each of which five clips are sent six times each.
        copies: whether those are files of their own that show the same.
    """
    rng = np.random.default_rng(seed)
    hours = np.sort(np.concatenate([24 * day + 24 * rng.beta(2, 2, daily) for day in range(days)]))
    content = [f"m{number}/t" for number in range(len(hours))]
    for place in np.flatnonzero(rng.random(len(hours)) < again):
        content[place] = content[max(0, place - rng.integers(1, 20))]
    late = hours > 24 * (days - 1)
    table = pd.DataFrame({"hour": hours, "content": content, "like": content})
    table["latency_ms"] = rng.lognormal(4, 0.3, len(hours)) * np.where(late, slow, 1)
    sent = [24 * days - hour - rng.random() for hour in burst for _ in range(30)]
    likes = [f"spam{number % 5}/t" for number in range(len(sent))]
    names = [f"spam{number}/t" for number in range(len(sent))] if copies else likes
    spam = pd.DataFrame({"hour": sent, "content": names, "like": likes, "latency_ms": 55.0})
    table = pd.concat([table, spam]).sort_values("hour", kind="stable", ignore_index=True)
    table["time"] = [END - timedelta(hours=24 * days - hour) for hour in table["hour"]]
    table["request_id"] = [f"r{number}" for number in table.index]
    table["group"] = [f"creator:{number}" for number in rng.integers(40, size=len(table))]
    times = [END - timedelta(hours=float(hour)) for hour in 24 * days * rng.random(int(refused * len(hours)))]
    reasons = rng.choice(["truncated", "too_long"], len(times))
    clips = table.drop_duplicates("content", keep="last")
    first = clips.groupby("like")["request_id"].transform("first")
    return SimpleNamespace(
        table=clips,
        answers=table,
        repeats=table[table["content"].duplicated()],
        refusals=pd.DataFrame({"time": times, "reason": reasons, "requests": 1}),
        near_repeats=first.where(first != clips["request_id"], ""),
    )


def refused_in_the_latest_day(number):
    traffic = service(1)
    times = [END - timedelta(hours=hour) for hour in range(20)]
    more = pd.DataFrame({"time": times, "reason": "unreadable", "requests": number})
    traffic.refusals = pd.concat([traffic.refusals, more], ignore_index=True)
    return traffic


def told(traffic, level=0.00125):
    """Compare clips like those that were learned from, sent while a service did something."""
    reference, current = world(3)
    current.table["time"] = [END - timedelta(hours=1 + 3 * n) for n in range(len(current))][::-1]
    current.table["request_id"] = [f"r{number}" for number in range(len(current))]
    current.table["content"], current.table["requests"] = current.table["request_id"] + "/t", 1
    seen = ClipSample(current.table, traffic)
    options = OPTIONS.model_copy(update={"permutations": 999})
    comparison = compare(dict.fromkeys(CAPABILITIES, reference), seen, CAPABILITIES, options, 0, look(level))
    moved = SimpleNamespace(**{**vars(traffic), "near_repeats": pd.Series("", current.table.index)})
    causes = diagnose(comparison, {"topic": reference}, seen, moved, DiagnosisOptions())
    return comparison, causes


def drifted(comparison):
    return {test.name for test in comparison.tests if test.drifted}


@pytest.mark.parametrize(
    ("traffic", "name", "kind", "words"),
    [
        (service(1, burst=range(12)), "reuploads", CauseKind.REUPLOADS, "sent again and again"),
        (refused_in_the_latest_day(2), "rejected", CauseKind.UPSTREAM_FAULT, "'unreadable'"),
        (service(1, slow=2.0), "latency", CauseKind.SLOW_SERVICE, "answers take longer"),
    ],
)
def test_what_the_service_does_otherwise_is_found_and_never_trained_for(traffic, name, kind, words):
    comparison, causes = told(traffic)
    assert drifted(comparison) == {name}
    assert [(one.kind, one.trains, one.tests) for one in causes] == [(kind, False, (name,))]
    assert words in causes[0].in_words
    assert comparison.windows[-1].name == "latest_period"


def test_copies_that_show_the_same_count_as_sent_again():
    log = Stretches.of(service(2, burst=range(8), copies=True), 1, 30)
    assert 0.6 < log.again[(log.answers["stretch"] < 9).to_numpy()].mean() < 1
    assert log.again[(log.answers["stretch"] > 48).to_numpy()].mean() < 0.05


def test_one_wild_hour_and_a_fall_are_no_drift():
    quiet = service(1, refused=0.0)
    busy = refused_in_the_latest_day(5).refusals
    before = busy.assign(time=busy["time"] - timedelta(days=2))
    for traffic in (
        service(1, burst=(3,)),
        service(1, slow=0.5),
        SimpleNamespace(**{**vars(quiet), "refusals": before}),
    ):
        assert drifted(told(traffic)[0]) == set()


@pytest.mark.parametrize("runs", [40, pytest.param(400, marks=pytest.mark.nightly)])
def test_false_alarms_of_a_steady_service_stay_below_alpha(runs):
    level, found = 0.1, 0
    for seed in range(runs):
        traffic = service(100 + seed, days=8, again=0.1, refused=0.1)
        asked = ask_of_service(traffic, set(), OPTIONS).asked
        assert [one.test.name for one in asked] == ["reuploads", "rejected", "latency"]
        rng = np.random.default_rng(seed)
        p = [p_values(one.design, [one.statistic], 299, rng)[0] for one in asked]
        found += min(p) <= level / 3
    assert found / runs <= level + 3 * np.sqrt(level * (1 - level) / runs)


def test_what_cannot_be_tested_is_told_with_the_reason():
    young = service(1, days=1)
    young.answers["latency_ms"] = np.nan
    skipped = ask_of_service(young, set(), OPTIONS).skipped
    assert set(skipped) == {"client", "decoder", "reuploads", "rejected", "latency"}
    assert "too short" in skipped["reuploads"]
    assert "how long answers took" in skipped["latency"]
    hasty = DriftOptions(looks=LookOptions(every_days=0.01))
    assert "so often" in ask_of_service(service(1), set(), hasty).skipped["rejected"]
    told_versions = service(1)
    told_versions.table = told_versions.table.assign(client="app/2", decoder="pyav")
    assert ask_of_service(told_versions, set(), OPTIONS).skipped == {}


def test_of_the_first_period_of_a_log_nobody_knows_what_came_before():
    log = Stretches.of(service(1, days=3, again=0.5), 1, 30)
    assert isinstance(reupload_test(Stretches.of(service(1, days=2), 2, 30)), Untested)
    assert reupload_test(log).stretches.max() < 48
    assert rejected_test(log).stretches.max() > 60
