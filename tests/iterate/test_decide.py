from datetime import UTC, datetime, timedelta

import pytest

from cu_pipeline.iterate.decide import Action, Money, decide
from cu_pipeline.iterate.finding import Finding, FoundCause
from cu_pipeline.iterate.ledger import IterationLine
from cu_pipeline.iterate.options import IterateOptions

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
STYLE = FoundCause("new_style", "a new style since noon", share=0.4)
RICH = Money(queue_usd=1000.0, queue_clips=180, clip_usd=0.1)


def told(*causes: FoundCause, **how: object) -> Finding:
    return Finding("drift", causes=causes or (STYLE,), look="a look", **how)


def line(
    hours: float, *, action: str = "retrain", trained: bool = True, usd: float = 0.0, **how: object
) -> IterationLine:
    ended = (NOW - timedelta(hours=hours)).isoformat()
    facts = {"outcome": "promoted", "reason": "", "cost": {"committed_usd": usd}, "look": "an earlier look"} | how
    return IterationLine(1, ended, ended, action, seconds={"train": 1.0} if trained else {}, **facts)


def decision(found: Finding, lines=(), money: Money = RICH, trigger: str = "", **options: object):
    return decide(found, list(lines), money, IterateOptions.model_validate(options), NOW, trigger)


def test_a_drift_that_a_model_can_learn_starts_training() -> None:
    found = decision(told())
    assert (found.action, found.cause, found.clips) == (Action.RETRAIN, STYLE, 120)


def test_without_drift_nothing_is_done_and_the_reason_is_told() -> None:
    assert decision(Finding("no_drift", summary="200 clips show none")).action is Action.NOTHING
    found = decision(Finding("not_enough_data", reason="only the product's own clips"))
    assert (found.action, found.reason) == (Action.NOTHING, "not enough data: only the product's own clips")


def test_no_all_clear_is_given_where_something_must_be_said_first() -> None:
    found = decision(Finding("no_drift", notices=("the service does not serve the champions",)))
    assert found.action is Action.ALERT
    assert "does not serve the champions" in found.reason


@pytest.mark.parametrize("kind", ["upstream_fault", "reuploads", "client"])
def test_what_no_model_is_at_fault_for_only_alerts(kind: str) -> None:
    assert decision(told(FoundCause(kind, "captions are missing", trains=False))).action is Action.ALERT


def test_an_upstream_fault_beside_a_new_style_starts_no_training() -> None:
    fault = FoundCause("upstream_fault", "captions are missing since 14:00", trains=False)
    found = decision(told(STYLE, fault))
    assert (found.action, found.cause) == (Action.ALERT, fault)


def test_a_cause_that_trains_counts_beside_re_uploads() -> None:
    found = decision(told(FoundCause("reuploads", "copies", trains=False), STYLE))
    assert (found.action, found.cause) == (Action.RETRAIN, STYLE)


def test_the_same_look_is_dealt_with_once() -> None:
    found = decision(told(), [line(200, look="a look")])
    assert found.action is Action.NOTHING
    assert "iteration 1 has dealt with" in found.reason


def test_after_training_clips_are_only_labelled_until_the_cool_down_is_over() -> None:
    assert decision(told(), [line(23)]).action is Action.LABEL
    assert decision(told(), [line(25)]).action is Action.RETRAIN
    assert decision(told(), [line(23)], guards={"cooldown_h": 0}).action is Action.RETRAIN


def test_in_the_cool_down_clips_are_labelled_once() -> None:
    labelled = line(5, action="label", trained=False, outcome="labelled")
    assert decision(told(), [line(23), labelled]).action is Action.NOTHING
    before = line(30, action="label", trained=False, outcome="labelled")
    assert decision(told(), [before, line(23)]).action is Action.LABEL


@pytest.mark.parametrize(
    ("money", "lines", "budget", "named"),
    [
        (Money(1.0, 180, 0.1), [], {}, "label.queue.budget_usd leaves $1.00, and 20 clips cost $2.00"),
        (RICH, [], {"iteration_usd": 1.5}, "iterate.budget.iteration_usd leaves $1.50"),
        (RICH, [line(100, usd=99.0)], {}, "iterate.budget.month_usd leaves $1.00"),
    ],
)
def test_without_money_people_are_alerted_and_told_which_budget_is_used_up(money, lines, budget, named) -> None:
    found = decision(told(), lines, money, budget=budget)
    assert found.action is Action.ALERT
    assert named in found.reason


def test_the_scarcest_budget_bounds_the_clips_and_a_month_is_forgotten() -> None:
    assert decision(told(), [line(100, usd=95.0)]).clips == 50
    assert decision(told(), [line(24 * 31, usd=95.0)]).clips == 120
    assert decision(told(), money=Money(1000.0, 180, 0.0)).clips == 120, "labels that cost nothing"
    assert decision(told(), money=Money(1000.0, 90, 0.1)).clips == 90, "the queue has room for no more"


def test_a_person_can_start_one_whatever_the_monitor_says() -> None:
    found = decision(Finding("no_drift"), [line(1)], trigger="a new season")
    assert (found.action, found.cause.kind, found.cause.in_words) == (Action.RETRAIN, "by_hand", "a new season")


def test_a_new_topic_says_that_a_class_may_be_missing() -> None:
    assert "add it to `capabilities`" in decision(told(FoundCause("new_topic", "travel, it seems"))).reason
