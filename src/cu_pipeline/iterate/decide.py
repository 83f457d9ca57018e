"""What to do about what the monitor says: nothing, alert only, label, or retrain. No files are read here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cu_pipeline.iterate.finding import NEW_TOPIC, UPSTREAM_FAULT, Finding, FoundCause
from cu_pipeline.iterate.ledger import IterationLine, acted_on, last_training, month_usd
from cu_pipeline.iterate.options import IterateOptions

BY_HAND: Final = "by_hand"
"""The kind of cause of an iteration that a person starts."""


class Action(StrEnum):
    """What is done.

    Attributes:
        NOTHING: it is over.
        ALERT: people are told, and no more.
        LABEL: clips are labelled, and nothing is trained yet.
        RETRAIN: clips are labelled, and a challenger is trained.
    """

    NOTHING = "nothing"
    ALERT = "alert"
    LABEL = "label"
    RETRAIN = "retrain"

    @property
    def labels(self) -> bool:
        """Whether clips are labelled."""
        return self in {Action.LABEL, Action.RETRAIN}


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
        cause: that it answers; None without drift.
        clips: that may be asked about, by the budgets.
    """

    action: Action
    reason: str
    cause: FoundCause | None = None
    clips: int = 0


def decide(
    told: Finding, lines: Sequence[IterationLine], money: Money, options: IterateOptions, at: datetime, trigger: str
) -> LoopDecision:
    """Decide.

    Args:
        told: what the monitor says.
        lines: the ledger of iterations.
        money: what may still be spent.
        options: of the loop.
        at: now.
        trigger: a person's reason to label and train whatever the monitor says; "": there is none.
    """
    if trigger:
        by_hand = FoundCause(BY_HAND, trigger)
        return _affordable(by_hand, Action.RETRAIN, f"by hand: {trigger}", (lines, money), options, at)
    if not told.drifted:
        return _without_drift(told)
    cause = told.causes[0]
    if fault := next((one for one in told.causes if one.kind == UPSTREAM_FAULT), None):
        return LoopDecision(Action.ALERT, f"{fault.in_words}: to be repaired where it comes from, not learned", fault)
    trains = [one for one in told.causes if one.trains]
    if not trains:
        return LoopDecision(Action.ALERT, f"{cause.in_words}: no model is at fault, so none is trained", cause)
    cause = trains[0]
    former = acted_on(lines).get(told.look)
    if former is not None:
        return LoopDecision(Action.NOTHING, f"iteration {former} has dealt with this very drift", cause)
    action, reason = Action.RETRAIN, cause.in_words
    rests = _rests_until(lines, options, at)
    if rests is not None:
        labelled = [one for one in lines if one.outcome == "labelled"]
        if any(datetime.fromisoformat(one.ended) > rests - _cooldown(options) for one in labelled):
            return LoopDecision(Action.NOTHING, f"{reason}; labels for it are there, {_resting(rests)}", cause)
        action, reason = Action.LABEL, f"{reason}; {_resting(rests)}, so clips are labelled only"
    return _affordable(cause, action, reason, (lines, money), options, at)


def _without_drift(told: Finding) -> LoopDecision:
    said = told.reason or told.summary
    if told.notices:
        return LoopDecision(Action.ALERT, f"no all-clear: {'; '.join(told.notices)}")
    return LoopDecision(Action.NOTHING, f"{told.decision.replace('_', ' ')}{f': {said}' if said else ''}")


def _affordable(
    cause: FoundCause,
    action: Action,
    reason: str,
    means: tuple[Sequence[IterationLine], Money],
    options: IterateOptions,
    at: datetime,
) -> LoopDecision:
    """Bound what is asked by the budgets, or only alert where they are used up."""
    lines, money = means
    budget = options.budget
    left = {
        "iterate.budget.iteration_usd": budget.iteration_usd,
        "iterate.budget.month_usd": budget.month_usd - month_usd(lines, at),
        "label.queue.budget_usd": money.queue_usd,
    }
    scarce = min(left, key=lambda name: left[name])
    most = min(options.choose.max_clips, money.queue_clips)
    clips = most if money.clip_usd <= 0 else min(most, int((left[scarce] + 1e-9) / money.clip_usd))
    if clips < options.choose.least_clips:
        lacking = (
            f"{scarce} leaves ${max(left[scarce], 0):.2f}, and {options.choose.least_clips} clips cost "
            f"${options.choose.least_clips * money.clip_usd:.2f}"
        )
        return LoopDecision(Action.ALERT, f"{reason}; nothing is labelled: {lacking}", cause)
    if cause.kind == NEW_TOPIC:
        reason = f"{reason}. If it is a class of its own, add it to `capabilities` in conf/"
    return LoopDecision(action, reason, cause, clips)


def _cooldown(options: IterateOptions) -> timedelta:
    return timedelta(hours=options.guards.cooldown_h)


def _rests_until(lines: Sequence[IterationLine], options: IterateOptions, at: datetime) -> datetime | None:
    """Until when nothing is trained; None: it may be."""
    last = last_training(lines)
    until = last + _cooldown(options) if last else None
    return until if until and until > at else None


def _resting(until: datetime) -> str:
    return f"nothing is trained until {until:%Y-%m-%d %H:%M} UTC (iterate.guards.cooldown_h)"
