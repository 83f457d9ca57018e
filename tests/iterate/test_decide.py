from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cu_pipeline.iterate.decide import Action, Money, decide
from cu_pipeline.iterate.finding import Finding, FoundCause
from cu_pipeline.iterate.ledger import IterationLine
from cu_pipeline.iterate.options import IterateOptions
from cu_pipeline.iterate.standing_audit import Champions, Likeness

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
STYLE = FoundCause("new_style", "a new style since noon", share=0.4)
WINDOW = {"start": "2026-11-01T00:00:00+00:00", "end": "2026-11-02T00:00:00+00:00"}
RICH = Money(queue_usd=1000.0, queue_clips=180, clip_usd=0.1)


def told(*causes: FoundCause, **how: object) -> Finding:
    return Finding("drift", causes=causes or (STYLE,), look="a look", **how)


def line(
    hours: float, *, action: str = "retrain", trained: bool = True, usd: float = 0.0, **how: object
) -> IterationLine:
    ended = (NOW - timedelta(hours=hours)).isoformat()
    facts = {"outcome": "promoted", "reason": "", "cost": {"committed_usd": usd}, "look": "an earlier look"}
    facts |= {"cause": {"kind": "new_style"}} | how
    return IterationLine(1, ended, ended, action, seconds={"train": 1.0} if trained else {}, **facts)


def decision(
    found: Finding, lines=(), money: Money = RICH, trigger: str = "", *, alike: bool = False, **options: object
):
    """Decide without audits, unless options of them are given."""
    given = IterateOptions.model_validate({"audit": {"enabled": False}} | options)
    champions = Champions({"topic": "v1"}, lambda _: Likeness(alike, "5 tests say so"))
    return decide(found, list(lines), money, given, NOW, trigger, champions)


def audited(*, fit: bool, hours: float = 200, serves: str = "v1", **how: object) -> IterationLine:
    row = {"champion": serves, "serves": serves, "fit": fit, "clips": 30, "right": 28 if fit else 20}
    cost = {"requested": 30, "committed_usd": 3.0}
    return line(
        hours, action="audit", trained=False, outcome="audited", cost=cost, effect={"topic": row}, window=WINDOW,
        reason="topic: 20 of 30", cause={"kind": "new_style", "in_words": "neon"}, **how,
    )  # fmt: skip


def trained(outcome: str, hours: float = 100, fresh: int = 30, **how: object) -> IterationLine:
    effect = {"topic": {"champion": "v0", "challenger": "v1", "serves": "v1", "fresh_clips": fresh}}
    return line(hours, outcome=outcome, effect=effect, window=WINDOW, **how)


AUDITS = {"audit": {"enabled": True}}


def test_a_drift_that_a_model_can_learn_starts_training() -> None:
    found = decision(told())
    assert (found.action, found.cause, found.clips) == (Action.RETRAIN, STYLE, 150)


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
    vain = replace(line(200, look="a look"), seconds={}, cost={"requested": 0}, outcome="kept", reason="there were few")
    found = decision(told(), [vain])
    assert found.action is Action.NOTHING
    assert found.reason.startswith("iteration 1 was about this very drift, and there were few: more traffic, or")


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
    assert decision(told(), [line(24 * 31, usd=95.0)]).clips == 150
    assert decision(told(), money=Money(1000.0, 180, 0.0)).clips == 160, "labels that cost nothing"
    assert decision(told(), money=Money(1000.0, 90, 0.1)).clips == 90, "the queue has room for no more"


def test_a_person_can_start_one_whatever_the_monitor_says() -> None:
    found = decision(Finding("no_drift"), [line(1)], trigger="a new season")
    assert (found.action, found.cause.kind, found.cause.in_words) == (Action.RETRAIN, "by_hand", "a new season")


def test_a_new_topic_says_that_a_class_may_be_missing() -> None:
    assert "add it to `capabilities`" in decision(told(FoundCause("new_topic", "travel, it seems"))).reason


def test_a_drift_is_audited_before_anything_is_trained() -> None:
    found = decision(told(), **AUDITS)
    assert (found.action, found.clips) == (Action.AUDIT, 60)
    assert found.action.labels
    assert "asked first (iterate.audit)" in found.reason
    assert decision(told(), money=Money(4.0, 180, 0.1), **AUDITS).clips == 24, "the share that is tested"
    assert decision(told(), money=Money(2.4, 180, 0.1), **AUDITS).action is Action.RETRAIN, "too little for both"
    assert decision(told(), trigger="a new season", **AUDITS).action is Action.RETRAIN


def test_champions_that_an_audit_found_worse_are_trained_with_what_the_audit_left() -> None:
    found = decision(told(), [audited(fit=False, look="a look")], **AUDITS)
    assert (found.action, found.clips, found.audit, found.cause) == (Action.RETRAIN, 120, 1, STYLE)
    assert "20 of 30" in found.reason
    small = decision(told(), [audited(fit=False)], budget={"iteration_usd": 10.0}, **AUDITS)
    assert small.clips == 70, "both together spend what one iteration may"
    quiet = decision(Finding("no_drift"), [audited(fit=False)], **AUDITS)
    assert (quiet.action, quiet.cause.in_words) == (Action.RETRAIN, "neon"), "they are worse, whatever is said by now"


def test_after_a_training_no_other_one_comes_of_the_same_audit() -> None:
    vetoed = trained("vetoed", 150)
    assert decision(told(), [audited(fit=False), vetoed], **AUDITS).action is Action.AUDIT
    assert decision(told(), [audited(fit=False), trained("kept", 150)], alike=True, **AUDITS).action is Action.NOTHING


def test_what_was_audited_and_is_fit_is_not_audited_again_on_such_clips() -> None:
    found = decision(told(), [audited(fit=True)], alike=True, **AUDITS)
    assert found.action is Action.NOTHING
    assert "audited on such clips by iteration 1, and are fit: 5 tests say so" in found.reason
    assert decision(told(), [audited(fit=True)], alike=False, **AUDITS).action is Action.AUDIT
    assert decision(told(), [audited(fit=True, look="a look")], **AUDITS).reason.endswith("this very drift")


def test_a_cause_of_another_kind_is_news_although_such_clips_look_like_those_of_before() -> None:
    topic = FoundCause("new_topic", "a cluster far from all", share=0.16)
    found = decision(told(topic), [trained("promoted")], alike=True, **AUDITS)
    assert (found.action, found.cause) == (Action.AUDIT, topic)
    before = trained("promoted", 300, cause={"kind": "new_topic"})
    assert decision(told(topic), [before, trained("promoted")], alike=True, **AUDITS).action is Action.NOTHING
    long_ago = trained("promoted", 24 * 91, cause={"kind": "new_topic"})
    assert decision(told(topic), [long_ago, trained("promoted")], alike=True, **AUDITS).action is Action.AUDIT
    nameless = FoundCause("unknown", "no test named")
    copies = FoundCause("reuploads", "half are copies", trains=False)
    both = decision(told(copies, nameless), [trained("promoted")], alike=True, **AUDITS)
    assert (both.action, both.reason.split("; ")[:2]) == (Action.ALERT, ["half are copies", "no test named"])
    assert decision(told(nameless), [trained("promoted")], alike=True, **AUDITS).action is Action.NOTHING


def test_a_weaker_cause_is_news_too_and_is_asked_about_once() -> None:
    causes = (FoundCause("new_style", "neon", share=0.6), FoundCause("new_topic", "gardens", share=0.2))
    before = replace(audited(fit=True), cause={"kind": "new_style"})
    found = decision(told(*causes), [before], alike=True, **AUDITS)
    assert (found.action, found.cause) == (Action.AUDIT, causes[1])
    after = replace(audited(fit=True), cause={"kind": "new_topic"})
    rests = decision(told(*causes), [before, after], alike=True, **AUDITS)
    assert (rests.action, rests.cause) == (Action.NOTHING, causes[0])


@pytest.mark.parametrize(
    "lines",
    [
        [audited(fit=True, serves="v0")],
        [audited(fit=True, hours=24 * 91)],
        [audited(fit=True), audited(fit=True, serves="v0")],
        [trained("kept", fresh=14)],
        [trained("failed")],
    ],
    ids=["another champion", "too old", "not at last", "few fresh clips", "failed"],
)
def test_an_audit_counts_for_its_champions_and_its_time(lines) -> None:
    expected = Action.NOTHING if len(lines) == 2 else Action.AUDIT
    assert decision(told(), lines, alike=True, **AUDITS).action is expected


@pytest.mark.parametrize("outcome", ["kept", "promoted"])
def test_what_serves_after_a_training_is_audited_by_it(outcome: str) -> None:
    assert decision(told(), [trained(outcome)], alike=True, **AUDITS).action is Action.NOTHING
    assert decision(told(), [trained(outcome)], **AUDITS).action is Action.AUDIT
    assert decision(told(), [trained(outcome, 24 * 7)], alike=True, **AUDITS).action is Action.AUDIT, "a week ago"


@pytest.mark.parametrize(
    ("effect", "interval", "action"),
    [
        (0.0, [-0.03, 0.03], Action.NOTHING),
        (0.0, [-0.3, 0.3], Action.AUDIT),  # so few clips tell nothing of a gain by 5 points
        (0.06, [-0.02, 0.14], Action.AUDIT),
        (-0.1, [-0.2, 0.0], Action.NOTHING),
        (0.0, [0.0, 0.0], Action.NOTHING),
    ],
)
def test_kept_champions_are_the_best_that_is_known_where_a_gain_is_ruled_out(
    effect: float, interval: list[float], action: Action
) -> None:
    told_of = {"fresh_effect": effect, "fresh_interval": interval, "fresh_units": 25, "fresh_freedom": 24.0}
    told_of |= {"fresh_clips": 30, "serves": "v1"}
    kept = line(100, outcome="kept", effect={"topic": told_of}, window=WINDOW)
    assert decision(told(), [kept], alike=True, **AUDITS).action is action
    few = line(100, outcome="kept", effect={"topic": told_of | {"fresh_units": 5}}, window=WINDOW)
    if effect == 0:
        assert decision(told(), [few], alike=True, **AUDITS).action is Action.AUDIT, "five units that are alike"
    other = line(100, outcome="promoted", effect={"topic": told_of}, window=WINDOW)
    assert decision(told(), [other], alike=True, **AUDITS).action is Action.NOTHING


def test_in_the_cool_down_nothing_is_audited() -> None:
    assert decision(told(), [line(23)], **AUDITS).action is Action.LABEL
    assert decision(told(), [audited(fit=False), line(23, action="label")], **AUDITS).action is Action.LABEL


def test_a_fault_upstream_is_not_audited() -> None:
    fault = FoundCause("upstream_fault", "captions are missing", trains=False)
    assert decision(told(STYLE, fault), [audited(fit=False)], **AUDITS).action is Action.ALERT
