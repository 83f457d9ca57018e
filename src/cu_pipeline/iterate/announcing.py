"""What people are told of an iteration by alerts: once each, however often it is looked at."""

from datetime import UTC, datetime
from typing import Final

from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.iterate.alerts import Alert, Severity, drift_alert, send, send_again
from cu_pipeline.iterate.alerts.options import AlertOptions
from cu_pipeline.iterate.ledger import PROMOTED, IterationLine
from cu_pipeline.iterate.state import Iteration, Status
from cu_pipeline.reports.drift_told import DriftTold

PAGE: Final = "data/08_reporting/drift.html"

_SEVERITIES: Final = {
    "audited": Severity.INFO,
    PROMOTED: Severity.GOOD,
    "kept": Severity.INFO,
    "labelled": Severity.INFO,
    "vetoed": Severity.INFO,
    "failed": Severity.BAD,
}
"""Outcome of an iteration that people are told of -> how much it matters. An alert is told as the drift that it is."""

_WAITS: Final = {Status.WAITING: "waiting", Status.APPROVAL: "approval"}


def announce_drift(told: DriftTold, options: AlertOptions) -> None:
    """Tell of a drift, or of what must be said without one; alerts that failed before are sent again first."""
    send_again(options)
    if alert := drift_alert(told, PAGE):
        send(alert, options)


def announce_waiting(current: Iteration, on: str, options: AlertOptions) -> None:
    """Tell what an iteration waits for, once for each step that waits and each thing beside that it waits for."""
    event = _WAITS[current.status]
    step = current.upcoming.value
    send(
        Alert(
            id=f"iteration-{current.number}/{event}/{step}" + (f"/{on}" if on else ""),
            event=event,
            severity=Severity.WARNING,
            title=f"Iteration {current.number} waits: {current.reason}",
            lines=("kedro iterate status",),
            time=datetime.now(UTC),
        ),
        options,
    )


def announce_error(current: Iteration, error: Exception, options: AlertOptions) -> None:
    """Tell that a step failed, the same error of the same iteration once."""
    send(
        Alert(
            id=f"iteration-{current.number}/error/{text_sha256(str(error))[:16]}",
            event="failed",
            severity=Severity.BAD,
            title=f"Iteration {current.number} stopped: {error}",
            lines=("The next `kedro iterate` tries the step again.",),
            time=datetime.now(UTC),
        ),
        options,
    )


def announce_end(line: IterationLine, options: AlertOptions) -> None:
    """Tell how an iteration ended, where anything was done."""
    severity = _SEVERITIES.get(line.outcome)
    if severity is None:
        return
    facts = {"cause": str(line.cause.get("in_words", "")), "paid": f"${line.cost.get('paid_usd', 0.0):.2f}"}
    for name, one in line.effect.items():
        if one.get("accuracy") is not None:
            facts[f"audit of {name}"] = str(one.get("why", ""))
        if one.get("effect") is not None:
            facts[f"gain of {name}"] = f"{100 * one['effect']:+.1f} points, serves {one.get('serves')}"
    send(
        Alert(
            id=f"iteration-{line.number}/{line.outcome}",
            event=line.outcome,
            severity=severity,
            title=f"Iteration {line.number}: {line.outcome}, {line.reason}",
            facts=facts,
            time=datetime.fromisoformat(line.ended),
        ),
        options,
    )
