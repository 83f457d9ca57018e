"""What became of an iteration, as the ledger, MLflow and people are told."""

from typing import Any

from cu_pipeline.core.actor import actor
from cu_pipeline.iterate.decide import BY_HAND, Action
from cu_pipeline.iterate.ledger import AUDITED, FAILED, PROMOTED, IterationLine
from cu_pipeline.iterate.state import Iteration, StepName, now


def line_of(iteration: Iteration, paid_usd: float, *, vetoed: bool) -> IterationLine:
    """Sum an iteration up.

    Args:
        iteration: whose steps are done.
        paid_usd: what all labels have cost by now.
        vetoed: whether a person ended it.
    """
    decided = iteration.facts(StepName.DECIDE)
    asked, answered = iteration.facts(StepName.ASK_PEOPLE), iteration.facts(StepName.WAIT_FOR_PEOPLE)
    outcome, reason = _outcome(iteration, vetoed)
    return IterationLine(
        number=iteration.number,
        started=iteration.started,
        ended=now(),
        action=decided.get("action", Action.NOTHING.value),
        outcome=outcome,
        reason=reason,
        cause=decided.get("cause") or _by_hand(iteration),
        look=decided.get("look", ""),
        window=decided.get("window", {}),
        cost={
            "committed_usd": answered.get("committed_usd", asked.get("committed_usd", 0.0)),
            "paid_usd": round(max(paid_usd - iteration.spent_usd, 0.0), 4),
            "requested": iteration.facts(StepName.CHOOSE).get("requested", 0),
            "asked": asked.get("clips", 0),
            "answered": answered.get("answered", 0),
            "people": asked.get("people", ""),
        },
        effect=_effect(iteration),
        quality=decided.get("quality", {}),
        seconds={one.name.value: one.seconds for one in iteration.steps if one.ended},
        run_id=iteration.run_id,
        actor=actor(),
    )


def _by_hand(iteration: Iteration) -> dict[str, Any]:
    """The cause of an iteration that ended before it decided; none where the monitor was to tell."""
    return {"kind": BY_HAND, "in_words": iteration.trigger} if iteration.trigger else {}


def _outcome(iteration: Iteration, vetoed: bool) -> tuple[str, str]:
    """What became of it, and why."""
    decided = iteration.facts(StepName.DECIDE)
    action = Action(decided.get("action", Action.NOTHING.value))
    given_up = any(not one.ended and one.errors for one in iteration.steps)
    if vetoed:
        return "vetoed", iteration.reason or "a person ended it"
    if given_up:
        failed = next(one for one in iteration.steps if not one.ended and one.errors)
        return FAILED, f"{failed.name.value} failed {failed.errors} times: {iteration.reason}"
    if not action.labels:
        ending = "alerted" if action is Action.ALERT else "nothing"
        return ending, decided.get("reason", "")
    if iteration.record(StepName.AUDIT) is not None:
        return AUDITED, iteration.facts(StepName.AUDIT)["told"]
    if "gate" not in iteration.facts(StepName.TRAIN) and not iteration.facts(StepName.CHOOSE).get("requested"):
        return "kept", "there were too few clips to label"
    if action is Action.LABEL:
        return "labelled", decided["reason"]
    served = iteration.facts(StepName.DELIVER) or iteration.facts(StepName.ROLLOUT)
    promoted = [name for name, one in _effect(iteration).items() if one.get("serves") == one["challenger"]]
    if served and promoted:
        way = iteration.facts(StepName.APPROVE).get("way", "")
        return PROMOTED, f"{', '.join(promoted)} ({way})"
    refused = iteration.facts(StepName.APPROVE).get("refused", {})
    told = "; ".join(f"{name}: {why}" for name, why in refused.items())
    return "kept", told or "the gate did not show any challenger to be better"


def _effect(iteration: Iteration) -> dict[str, dict[str, Any]]:
    if audited := iteration.facts(StepName.AUDIT):
        found: dict[str, dict[str, Any]] = audited["effect"]
        return found
    return _gains(iteration)


def _gains(iteration: Iteration) -> dict[str, dict[str, Any]]:
    served = iteration.facts(StepName.DELIVER) or iteration.facts(StepName.ROLLOUT)
    found = {}
    for name, row in iteration.facts(StepName.TRAIN).get("gate", {}).items():
        fresh = row.get("fresh") or {}
        found[name] = {
            "decision": row["decision"],
            "champion": row["champion"],
            "challenger": row["challenger"],
            "effect": row["effect"],
            "fresh_effect": fresh.get("effect"),
            "fresh_clips": fresh.get("clips", 0),
            "fresh_units": fresh.get("units", 0),
            "fresh_interval": fresh.get("interval"),
            "fresh_freedom": fresh.get("freedom"),
            "serves": served.get("serving", {}).get(name, row["champion"]),
        }
    return found


def name_of(line: IterationLine) -> str:
    """What MLflow's UI calls it."""
    cause = line.cause.get("kind", "no drift").replace("_", " ")
    return f"iteration {line.number}: {cause}, {line.outcome}"


def tags_of(line: IterationLine) -> dict[str, str]:
    """Cause, decision and outcome."""
    return {
        "iteration.action": line.action,
        "iteration.outcome": line.outcome,
        "iteration.reason": line.reason,
        "iteration.cause": line.cause.get("in_words", ""),
        "iteration.people": str(line.cost.get("people", "")),
    }


def metrics_of(line: IterationLine) -> dict[str, float]:
    """Cost and effect."""
    found = {
        "iteration/committed_usd": float(line.cost.get("committed_usd", 0.0)),
        "iteration/paid_usd": float(line.cost.get("paid_usd", 0.0)),
        "iteration/clips_answered": float(line.cost.get("answered", 0)),
        "iteration/seconds": sum(line.seconds.values()),
    }
    for name, one in line.effect.items():
        for key in ("effect", "fresh_effect"):
            if one.get(key) is not None:
                found[f"{name}/{key}"] = float(one[key])
        if line.audited and one["accuracy"] is not None:
            found[f"{name}/audited_accuracy"] = float(one["accuracy"])
    return found
