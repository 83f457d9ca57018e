"""Whether a challenger takes the champion's place."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from cu_pipeline.core.scope import METADATA, clips_column
from cu_pipeline.evaluation.account import Account, GateTest
from cu_pipeline.evaluation.contest import Contest, unread_told
from cu_pipeline.evaluation.fresh_clips import Strata
from cu_pipeline.evaluation.gate_decision import Decision
from cu_pipeline.evaluation.gate_options import GateOptions
from cu_pipeline.evaluation.gate_trial import Trial
from cu_pipeline.evaluation.margin import Margin
from cu_pipeline.evaluation.metrics import ScoredClips, log_losses
from cu_pipeline.evaluation.paired_test import PairedGain
from cu_pipeline.evaluation.power import power_assumed
from cu_pipeline.evaluation.skill import accuracy_gains, majority, skill
from cu_pipeline.evaluation.vetoes import Difference, beaten_by, confidence, fallen_slices

_NAMED: Final = 3
"""Baselines that are named in the reasons, at most."""

Ruling = tuple[Decision, list[GateTest]]
"""A decision, and the test that was spent on it, if one was."""


def decide(
    contest: Contest, baselines: Mapping[str, ScoredClips], account: Account, alpha: float, options: GateOptions
) -> Ruling:
    """Judge a challenger.

    Against a champion it has to be shown better, and to fall in no protected slice. Where an iteration drew clips to
    test on from what the service saw, it may be shown better on these alone, if it does not fall on the others. One
    that keeps to a changed `decision` of the capability, did not learn from clips that were erased, or knows a class
    that was added, only must not be shown worse, or what was asked for would never be served. Where there is no
    champion, or none that can be compared, it has to be shown better than the majority, and no baseline may be shown
    better than it.

    Args:
        contest: with what it is compared.
        baselines: answers of simple models about all labelled test clips.
        account: of the capability.
        alpha: chance of any wrong promotion on one set of test clips.
        options: the rules.
    """
    if contest.challenger == contest.champion:
        return _unchanged(contest, account, alpha), []
    if contest.obstacle or contest.answers is None:
        return _final(_kept(contest, contest.obstacle), contest, options), []
    if contest.opposed is None:
        decision, entries = _alone(contest, contest.answers, baselines, account, alpha, options)
    else:
        decision, entries = _compared(contest, (contest.answers, contest.opposed), account, alpha, options)
    return _final(decision, contest, options), entries


def _final(decision: Decision, contest: Contest, options: GateOptions) -> Decision:
    """Promote what the parameters force, or say what would help a model that stands alone."""
    if contest.capability in options.force:
        return decision.forced_for(contest.capability)
    if decision.decision == "promote" or decision.against != "majority":
        return decision
    remedy = (
        "what would help: more labels, labels that are right, features that show the difference; or "
        f"evaluate.gate.force: [{contest.capability}]"
    )
    return replace(decision, reasons=[*decision.reasons, remedy])


def _kept(contest: Contest, reason: str) -> Decision:
    return Decision("keep", "", None, None, [reason], contest.challenger, contest.champion)


def _unchanged(contest: Contest, account: Account, alpha: float) -> Decision:
    """Keep the champion that the challenger equals, and tell what could be seen of the next one."""
    kept = _kept(contest, "the challenger is the champion: nothing changed")
    if contest.clips.empty:
        return kept
    standing = account.standing(contest.keys, list(contest.units), alpha)
    power = power_assumed(contest.units, standing.alpha)
    return replace(kept, account=standing.to_json(), power=power.to_json())


def _alone(
    contest: Contest,
    answers: ScoredClips,
    baselines: Mapping[str, ScoredClips],
    account: Account,
    alpha: float,
    options: GateOptions,
) -> Ruling:
    """Judge a challenger that has no champion to be compared with."""
    usual = majority(answers, contest.shares)
    gain = PairedGain.of(accuracy_gains(answers, usual), contest.units)
    found = skill(answers, contest.shares, contest.units)
    trial = Trial.of(contest, gain, found.p_value, account, alpha)
    others = {name: one.take(contest.places) for name, one in baselines.items()}
    beaten = beaten_by(answers, others, contest.units)
    verdict = (
        f"on {gain.clips} test clips it is {'' if trial.shown_better else 'not shown to be '}better than the majority "
        f"(accuracy {gain.effect:+.3f}, log-loss {-found.loss_gain:+.3f}; {trial.p_told()})"
    )
    faults = [*_worse_than(beaten), *_miscalibrated(contest, answers, options)]
    promoted = trial.shown_better and not faults
    decision = Decision(
        decision="promote" if promoted else "keep",
        reasons=[contest.alone, verdict, *faults, *trial.outlook(), *_left_out(contest)],
        challenger=contest.challenger,
        champion=contest.champion,
        against="majority",
        baselines=[one.to_json() for one in beaten],
        **trial.facts(),
    )
    return decision, trial.entries


def _compared(
    contest: Contest, answers: tuple[ScoredClips, ScoredClips], account: Account, alpha: float, options: GateOptions
) -> Ruling:
    """Judge a challenger beside the champion."""
    own, opposed = answers
    gain = PairedGain.of(accuracy_gains(own, opposed), contest.units)
    parts = Strata.of(contest, accuracy_gains(own, opposed))
    p, level = (gain.p_value(), None) if parts is None else parts.held(gain, contest, account, alpha)
    trial = Trial.of(contest, gain, p, account, alpha, level)
    margin = Margin(options.non_inferiority_margin, account.shortfall(contest.champion))
    merits = [] if trial.shown_better else list(_merits(contest, answers, trial, margin))
    slices = fallen_slices(own, opposed, contest.clips, options.protected_slices, options.slice_margin)
    verdict = (
        f"on {gain.clips} test clips of {gain.units} units the challenger's accuracy is {gain.effect:+.3f} against the "
        f"champion's: {'better' if trial.shown_better else 'not shown to be better'} ({trial.p_told()})"
    )
    faults = [*_fallen(slices, options.slice_margin), *_miscalibrated(contest, own, options)]
    faults += [] if parts is None else parts.faults(options.slice_margin)
    promoted = bool(trial.shown_better or merits) and not faults
    notes = [] if faults else list(_falling(slices, options.slice_margin))
    notes += [] if promoted else list(_used_up(trial, margin))
    decision = Decision(
        decision="promote" if promoted else "keep",
        reasons=[
            verdict,
            *([] if parts is None else [str(parts)]),
            *_unknown(contest),
            *_cross_fitted(contest),
            *trial.worth_told(),
            *merits,
            *faults,
            *notes,
            *_unprotected(contest, options),
            *trial.outlook(),
            *_left_out(contest),
        ],
        challenger=contest.challenger,
        champion=contest.champion,
        against="champion",
        effect_shrunk=trial.effect_shrunk,
        fresh=None if parts is None else parts.to_json(),
        slices=[one.to_json() for one in slices],
        **trial.facts(),
    )
    if not promoted:
        return decision, trial.entries
    better = trial.shown_better or bool(_wanted(contest))
    return decision, trial.promoting(contest, account, margin.after(trial.gain, trial.level, better=better))


def _merits(contest: Contest, answers: tuple[ScoredClips, ScoredClips], trial: Trial, margin: Margin) -> Iterator[str]:
    """Say why a challenger that is not worse by more than what is left of the margin is preferred.

    That it is better by any amount, and that it is not worse by more than the margin, are tested at one level: a wrong
    promotion by the first would be one by the second too.

    An iteration of the loop trains where nobody knows the champion to be fit for what the service sees: it has no
    better claim to its place than a challenger that learned from that.
    """
    if wanted := _wanted(contest):
        worse = PairedGain.of(accuracy_gains(answers[1], answers[0]), contest.units)
        if worse.p_value() > trial.level:
            yield f"{wanted} is not shown to be worse"
            return
    if not margin.allows(trial.gain, trial.level):
        return
    loss = PairedGain.of(log_losses(answers[1]) - log_losses(answers[0]), contest.units)
    of = f"what is left of {100 * margin.whole:g}, " if margin.shortfall else ""
    allowed = f"it is not worse by more than {100 * margin.left:.3g} points ({of}evaluate.gate.non_inferiority_margin)"
    if contest.frugal:
        yield f"{allowed} and reads fewer features"
    elif contest.newer:
        yield f"{allowed} and learned from what the service saw since the champion did"
    elif loss.p_value() <= trial.level:
        yield f"{allowed} and its log-loss is lower by {loss.effect:.3f} (p = {loss.p_value():.2g})"


def _used_up(trial: Trial, margin: Margin) -> Iterator[str]:
    """Say that a challenger would be within the margin, had champions not used it up."""
    if margin.shortfall and Margin(margin.whole).allows(trial.gain, trial.level):
        yield (
            f"it is not worse by more than {100 * margin.whole:g} points (evaluate.gate.non_inferiority_margin), but "
            f"earlier promotions within this margin may have cost {100 * margin.shortfall:.1f} of them already"
        )


def _wanted(contest: Contest) -> str:
    """Say why a challenger is wanted that is as good as the champion; "": it is not."""
    if contest.retargeted:
        return "the capability's `decision` was changed, and the challenger, which keeps to it,"
    if contest.purged:
        return "the champion learned from clips that were erased since, and the challenger, which did not,"
    if contest.named:
        return f"the champion does not know {', '.join(map(repr, contest.named))}, and the challenger, which does,"
    return ""


def _worse_than(beaten: list[Difference]) -> Iterator[str]:
    worse = [one for one in beaten if one.is_worse]
    if worse:
        names = ", ".join(
            f"{one.name} ({-100 * one.effect:+.1f} points, p = {one.p_value:.2g})" for one in worse[:_NAMED]
        )
        rest = f" and {len(worse) - _NAMED} more" if len(worse) > _NAMED else ""
        yield f"it is worse than what is simpler: {names}{rest}"


def _fallen(slices: list[Difference], margin: float) -> Iterator[str]:
    fallen = [one for one in slices if one.is_worse]
    if fallen:
        yield f"it falls by more than {100 * margin:g} points in a protected slice: {'; '.join(map(str, fallen))}"


def _falling(slices: list[Difference], margin: float) -> Iterator[str]:
    if slices and slices[0].effect < -margin:
        yield f"the slice that falls most, though not shown to by more than {100 * margin:g} points: {slices[0]}"


def _unprotected(contest: Contest, options: GateOptions) -> Iterator[str]:
    """Name protected columns that no clip has, a slip of the pen perhaps."""
    columns = [name for name in options.protected_slices if name.startswith(METADATA)]
    absent = [name for name in columns if not clips_column(contest.clips, name).astype(bool).any()]
    if absent:
        yield f"no slice is protected by {', '.join(absent)} (evaluate.gate.protected_slices), which no test clip has"


def _miscalibrated(contest: Contest, answers: ScoredClips, options: GateOptions) -> Iterator[str]:
    bound = options.calibration_bound
    found = None if bound is None else confidence(answers, contest.units, bound)
    if bound is not None and found is not None and found.is_beyond:
        side = "above" if found.gap > 0 else "below"
        yield (
            f"its confidence is {100 * abs(found.gap):.0f} points {side} the truth, more than the {100 * bound:g} that "
            "evaluate.gate.calibration_bound allows"
        )


def _unknown(contest: Contest) -> Iterator[str]:
    for name, clips in contest.added.items():
        told = f"{clips} of these clips are of {name!r}, which the champion does not know"
        yield f"{told}: it counts as wrong on them" if clips else f"{told}, so nothing is known of that class yet"


def _cross_fitted(contest: Contest) -> Iterator[str]:
    if contest.cross_fitted:
        yield (
            f"it learned from {contest.cross_fitted} of these: models answered for it that had not seen their creators"
        )


def _left_out(contest: Contest) -> Iterator[str]:
    if contest.learned:
        yield f"{contest.learned} labelled test clips are left out, since one of the models learned from them"
    yield from unread_told(contest.unread)
