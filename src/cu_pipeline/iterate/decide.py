"""What to do about what the monitor says: nothing, alert only, audit, label, or retrain. No files are read here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cu_pipeline.iterate.finding import NEW_TOPIC, UNKNOWN, UPSTREAM_FAULT, Finding, FoundCause
from cu_pipeline.iterate.ledger import IterationLine, acted_on, last_training, month_usd
from cu_pipeline.iterate.options import IterateOptions
from cu_pipeline.iterate.standing_audit import Champions

BY_HAND: Final = "by_hand"
"""The kind of cause of an iteration that a person starts."""


class Action(StrEnum):
    """What is done.

    Attributes:
        NOTHING: it is over.
        ALERT: people are told, and no more.
        AUDIT: random test clips are labelled, to see whether the champions are worse on what is new.
        LABEL: clips are labelled, and nothing is trained yet.
        RETRAIN: clips are labelled, and a challenger is trained.
    """

    NOTHING = "nothing"
    ALERT = "alert"
    AUDIT = "audit"
    LABEL = "label"
    RETRAIN = "retrain"

    @property
    def labels(self) -> bool:
        """Whether clips are labelled."""
        return self in {Action.AUDIT, Action.LABEL, Action.RETRAIN}


@dataclass(frozen=True)
class Money:
    """What may still be spent on people, US dollars.

    Attributes:
        queue_usd: of `label.queue.budget_usd`.
        queue_clips: that the queue has room for, beside those with a known answer.
        clip_usd: that all answers about one clip cost.
    """

    queue_usd: float
    queue_clips: int
    clip_usd: float


@dataclass(frozen=True)
class LoopDecision:
    """What an iteration does, and why.

    Attributes:
        action: to take.
        reason: in words.
        cause: that it answers: the strongest, or one of a kind that nobody was asked about; None without drift.
        clips: that may be asked about, by the budgets.
        audit: number of the iteration whose audit found the champions worse, and whose clips are tested on; 0: none.
    """

    action: Action
    reason: str
    cause: FoundCause | None = None
    clips: int = 0
    audit: int = 0


@dataclass(frozen=True)
class _Means:
    """What an iteration may take.

    Attributes:
        lines: the ledger of iterations.
        money: what may still be spent.
        options: of the loop.
        at: now.
    """

    lines: Sequence[IterationLine]
    money: Money
    options: IterateOptions
    at: datetime


def decide(
    told: Finding,
    lines: Sequence[IterationLine],
    money: Money,
    options: IterateOptions,
    at: datetime,
    trigger: str,
    champions: Champions,
) -> LoopDecision:
    """Decide.

    Args:
        told: what the monitor says.
        lines: the ledger of iterations.
        money: what may still be spent.
        options: of the loop.
        at: now.
        trigger: a person's reason to label and train whatever the monitor says; "": there is none.
        champions: that serve.
    """
    means = _Means(lines, money, options, at)
    if trigger:
        return _affordable(FoundCause(BY_HAND, trigger), Action.RETRAIN, f"by hand: {trigger}", means)
    audit = champions.audit_of(lines, options.audit, at) if options.audit.enabled else None
    worse = audit if audit is not None and audit.found_worse else None
    if not told.drifted:
        return _without_drift(told) if worse is None else _retrained(_cause_of(worse), worse, means)
    cause = told.causes[0]
    if fault := next((one for one in told.causes if one.kind == UPSTREAM_FAULT), None):
        return LoopDecision(Action.ALERT, f"{fault.in_words}: to be repaired where it comes from, not learned", fault)
    trains = [one for one in told.causes if one.trains]
    if not trains:
        return LoopDecision(Action.ALERT, f"{cause.in_words}: no model is at fault, so none is trained", cause)
    cause = trains[0]
    former = acted_on(lines).get(told.look)
    if former is not None:
        return LoopDecision(Action.NOTHING, _known_drift(former), cause)
    if worse is not None:
        return _retrained(cause, worse, means)
    news = next((one for one in trains if _is_news(one, means)), None)
    if audit is not None and audit.window and news is None:
        found = champions.compare(audit)
        if found.alike:
            others = [one.in_words for one in told.causes if not one.trains]
            reason = "; ".join([*others, cause.in_words, f"{_dealt_with(audit)}: {found.told}"])
            return LoopDecision(Action.ALERT if others else Action.NOTHING, reason, cause)
    return _labelled(news or cause, means)


def _cause_of(line: IterationLine) -> FoundCause:
    return FoundCause(line.cause.get("kind", UNKNOWN), line.cause.get("in_words", ""))


def _retrained(cause: FoundCause, worse: IterationLine, means: _Means) -> LoopDecision:
    """Train since an audit found champions worse, whether or not the monitor still says drift."""
    reason = f"{cause.in_words}; iteration {worse.number} found by people's labels: {worse.reason}"
    rests = _rests_until(means)
    if rests is not None:
        return _while_it_rests(cause, reason, rests, means)
    return _affordable(cause, Action.RETRAIN, reason, means, worse)


def _is_news(cause: FoundCause, means: _Means) -> bool:
    """Whether no iteration has asked people about clips because of a cause of this kind.

    Tests of one window of clips against another see less than those of the monitor, which hold a window against all
    that the models learned from. So that they tell nothing apart says little where the monitor names another cause.
    """
    stands = means.at - timedelta(days=means.options.audit.stands_days)
    asked = (one for one in means.lines if one.audited or one.trained)
    kinds = {one.cause.get("kind") for one in asked if datetime.fromisoformat(one.ended) >= stands}
    return cause.kind not in kinds | {UNKNOWN}


def _labelled(cause: FoundCause, means: _Means) -> LoopDecision:
    """Audit the champions, or train where there can be no audit, or label only while nothing is trained."""
    rests = _rests_until(means)
    if rests is not None:
        return _while_it_rests(cause, cause.in_words, rests, means)
    found, audit = _affordable(cause, Action.RETRAIN, cause.in_words, means), means.options.audit
    clips = min(audit.clips, round(found.clips * means.options.choose.test_share))
    if found.action is not Action.RETRAIN or not audit.enabled or clips < audit.least_clips:
        return found
    reason = f"{found.reason}; whether the champions are worse on such clips is asked first (iterate.audit)"
    return replace(found, action=Action.AUDIT, clips=clips, reason=reason)


def _while_it_rests(cause: FoundCause, reason: str, until: datetime, means: _Means) -> LoopDecision:
    """Label once while nothing is trained."""
    labelled = [one for one in means.lines if one.outcome == "labelled"]
    if any(datetime.fromisoformat(one.ended) > until - _cooldown(means.options) for one in labelled):
        return LoopDecision(Action.NOTHING, f"{reason}; labels for it are there, {_resting(until)}", cause)
    return _affordable(cause, Action.LABEL, f"{reason}; {_resting(until)}, so clips are labelled only", means)


def _known_drift(former: IterationLine) -> str:
    """Say why nothing is to be done about a look that an iteration was about."""
    if former.trained or former.audited or former.cost.get("requested"):
        return f"iteration {former.number} has dealt with this very drift"
    return (
        f"iteration {former.number} was about this very drift, and {former.reason}: more traffic, or `kedro iterate "
        "--cause`, begins another"
    )


def _dealt_with(audit: IterationLine) -> str:
    """Say why nothing is to be done about clips that are as those of an iteration."""
    if audit.audited:
        return f"the champions were audited on such clips by iteration {audit.number}, and are fit"
    return f"iteration {audit.number} trained on such clips, and the best that is known of them serves"


def _without_drift(told: Finding) -> LoopDecision:
    said = told.reason or told.summary
    if told.notices:
        return LoopDecision(Action.ALERT, f"no all-clear: {'; '.join(told.notices)}")
    return LoopDecision(Action.NOTHING, f"{told.decision.replace('_', ' ')}{f': {said}' if said else ''}")


def _affordable(
    cause: FoundCause, action: Action, reason: str, means: _Means, audit: IterationLine | None = None
) -> LoopDecision:
    """Bound what is asked by the budgets, or only alert where they are used up.

    Args:
        cause: that it answers.
        action: what is to be done.
        reason: why.
        means: what may be taken.
        audit: the iteration that audited for this training: both together may take what one may.
    """
    budget, money, choose = means.options.budget, means.money, means.options.choose
    left = {
        "iterate.budget.iteration_usd": budget.iteration_usd - (audit.committed_usd if audit else 0.0),
        "iterate.budget.month_usd": budget.month_usd - month_usd(means.lines, means.at),
        "label.queue.budget_usd": money.queue_usd,
    }
    scarce = min(left, key=lambda name: left[name])
    most = min(choose.max_clips - (int(audit.cost.get("requested", 0)) if audit else 0), money.queue_clips)
    clips = most if money.clip_usd <= 0 else min(most, int((left[scarce] + 1e-9) / money.clip_usd))
    if clips < (1 if audit else choose.least_clips):
        lacking = (
            f"{scarce} leaves ${max(left[scarce], 0):.2f}, and {choose.least_clips} clips cost "
            f"${choose.least_clips * money.clip_usd:.2f}"
        )
        return LoopDecision(Action.ALERT, f"{reason}; nothing is labelled: {lacking}", cause)
    if cause.kind == NEW_TOPIC:
        reason = f"{reason}. If it is a class of its own, add it to `capabilities` in conf/"
    return LoopDecision(action, reason, cause, clips, audit.number if audit else 0)


def _cooldown(options: IterateOptions) -> timedelta:
    return timedelta(hours=options.guards.cooldown_h)


def _rests_until(means: _Means) -> datetime | None:
    """Until when nothing is trained; None: it may be."""
    last = last_training(means.lines)
    until = last + _cooldown(means.options) if last else None
    return until if until and until > means.at else None


def _resting(until: datetime) -> str:
    return f"nothing is trained until {until:%Y-%m-%d %H:%M} UTC (iterate.guards.cooldown_h)"
