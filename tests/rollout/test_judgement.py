"""What counts as evidence, and what it decides."""

from datetime import UTC, datetime, timedelta

import pytest

from cu_pipeline.rollout.betting import Tally
from cu_pipeline.rollout.evidence import Collector, Evidence, Pair
from cu_pipeline.rollout.judgement import decide
from cu_pipeline.rollout.plan import Limits, Rollout

START = datetime(2026, 3, 4, tzinfo=UTC)
SOON = START + timedelta(hours=1)


def pair(number, creator="ann", champion="a", challenger="b", minutes=0.0, slower=None):
    return Pair(f"r{number}", START + timedelta(minutes=minutes), creator, champion, challenger, slower)


def judged(collector, number, label):
    collector.judged(f"r{number}", SOON, label)


def rollout(**limits):
    return Rollout(
        capability="topic", challenger="b2", champion="a1", started=START, by="ann", limits=Limits(**limits)
    )  # fmt: skip


def test_a_creator_counts_once_with_the_first_feedback():
    collector = Collector(Limits())
    for number in range(4):
        collector.answered(pair(number))
    judged(collector, 2, "b")
    judged(collector, 0, "a")  # what comes later of the same creator changes nothing
    judged(collector, 2, "a")
    assert collector.evidence.quality == Tally(up=1)
    assert (collector.evidence.requests, collector.evidence.feedback) == (4, 2)
    assert collector.evidence.disagreement == Tally(up=1)


@pytest.mark.parametrize(("label", "tally"), [("a", Tally(down=1)), ("b", Tally(up=1)), ("c", Tally(same=1))])
def test_feedback_says_who_was_right(label, tally):
    collector = Collector(Limits())
    collector.answered(pair(1))
    judged(collector, 1, label)
    assert collector.evidence.quality == tally


def test_feedback_that_is_read_before_the_answers_waits_for_them():
    collector = Collector(Limits())
    judged(collector, 1, "a|b")
    assert collector.evidence.quality == Tally()
    collector.answered(pair(1, champion="b|a", challenger="a"))
    assert collector.evidence.quality == Tally(down=1)


def test_what_was_read_before_changes_nothing():
    collector = Collector(Limits())
    for _ in range(2):
        collector.answered(pair(1))
        judged(collector, 1, "a")
    seen = collector.evidence
    assert (seen.until, seen.requests, seen.feedback) == (SOON, 1, 1)
    assert (seen.quality, seen.disagreement, seen.errors) == (Tally(down=1), Tally(up=1), Tally(same=1))


def test_failures_and_slowness_count_once_an_hour_of_a_creator():
    collector = Collector(Limits(latency=2.0))
    for number, minutes in enumerate((0, 20, 59, 60, 130)):
        collector.answered(pair(number, challenger=None if minutes < 60 else "a", minutes=minutes, slower=2.5))
    collector.answered(pair(9, creator="bob", champion=None, challenger="a", minutes=1, slower=1.5))
    assert collector.evidence.errors == Tally(down=1, same=2, up=1)
    assert collector.evidence.latency == Tally(same=1, up=3)


def test_a_challenger_that_begins_to_fail_late_is_found_soon():
    """After 5,000 answers without a failure, one of four fails."""
    collector = Collector(Limits())
    for number in range(5000):
        collector.answered(pair(number, creator=f"creator {number}"))
    for number in range(5000, 5100):
        collector.answered(pair(number, creator=f"creator {number}", challenger="b" if number % 4 else None))
        found = decide(rollout(disagreement=0.999), collector.evidence, SOON)
        if found is not None:
            break
    assert found.reason.startswith("it fails too often")
    assert collector.evidence.errors.up <= 12


def test_a_failed_answer_is_no_evidence_of_quality():
    collector = Collector(Limits())
    collector.answered(pair(1, challenger=None))
    judged(collector, 1, "a")
    collector.answered(pair(2))
    judged(collector, 2, "a")
    assert collector.evidence.quality == Tally(down=1)


def test_the_plain_cases():
    worse, better = Evidence(quality=Tally(down=30, same=60, up=5)), Evidence(quality=Tally(down=5, same=60, up=30))
    assert decide(rollout(), worse, SOON).status == "rolled_back"
    assert decide(rollout(), better, SOON).status == "promoted"
    assert decide(rollout(), Evidence(quality=Tally(down=6, same=60, up=6)), SOON) is None
    assert decide(rollout(units=100), better, SOON) is None  # too few creators as yet


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (
            Evidence(errors=Tally(same=24, up=4), failing=6.0),
            "it fails too often: alone in 4 of 28, the champion in 0, limit 1.0%",
        ),
        (Evidence(disagreement=Tally(up=40, same=2)), "its answers differ too often: for 40 of 42 creators, limit 50%"),
        (
            Evidence(latency=Tally(up=40, same=2), slowness=9.0),
            "it is too slow: 40 of 42 answers took over 3 times as long",
        ),
        (Evidence(quality=Tally(down=30, same=60, up=5)), "was right for 5, the champion alone for 30"),
    ],
)
def test_what_rolls_back_says_why(evidence, words):
    found = decide(rollout(), evidence, SOON)
    assert (found.status, found.is_shown) == ("rolled_back", True)
    assert words in found.reason


def test_failing_goes_before_being_better():
    evidence = Evidence(quality=Tally(up=60), errors=Tally(same=20, up=20), failing=9.0)
    assert decide(rollout(), evidence, SOON).reason.startswith("it fails too often")


def test_without_a_decision_it_ends_as_not_shown_better():
    equal = Evidence(requests=500, quality=Tally(down=6, same=60, up=6))
    late = decide(rollout(days=2), equal, START + timedelta(days=2))
    many = decide(rollout(requests=500), equal, SOON)
    assert [one.status for one in (late, many)] == ["rolled_back"] * 2
    assert not late.is_shown
    assert late.reason.startswith("not shown better within 2 days: of 72 creators")
    assert many.reason.startswith("not shown better within 500 requests")
    not_worse = rollout(requests=500, goal="not_worse", margin=0.2)
    assert decide(not_worse, equal, SOON).status == "promoted"
    assert "not worse by 20% or more" in decide(not_worse, equal, SOON).reason
