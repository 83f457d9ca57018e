"""What people are told of the loop: the decision on drift, what an iteration came to, waits for or failed by."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.iterate.alerts import Alert, AlertOptions, Sent, Severity, drift_alert, send, send_again
from cu_pipeline.iterate.ledger import IterationLine
from cu_pipeline.iterate.project import Project
from cu_pipeline.iterate.runner import Ended, Report
from cu_pipeline.iterate.state import Status
from cu_pipeline.iterate.work import DRIFT
from cu_pipeline.reports.drift_told import read_drift_file

PAGE: Final = "data/08_reporting/drift.html"

_OUTCOMES: Final = {
    "promoted": Severity.GOOD,
    "kept": Severity.INFO,
    "labelled": Severity.INFO,
    "vetoed": Severity.INFO,
    "failed": Severity.BAD,
}
"""Outcomes that people are told of; what was found without anything being done is in the alert on drift."""


def tell_people(project: Project, options: AlertOptions, report: Report) -> list[Sent]:
    """Send what is new since the last call, each once, and again what failed to be sent.

    Args:
        project: in which the loop went on.
        options: who is told.
        report: what the call did.
    """
    sent = send_again(options)
    for alert in (*_drift(project), *_iteration(project, report)):
        sent += send(alert, options)
    return sent


def tell_of_error(project: Project, options: AlertOptions, error: Exception) -> list[Sent]:
    """Tell that a call failed; the same error of the same iteration once."""
    current = project.state.read()
    number = current.number if current else 0
    alert = Alert(
        id=f"iteration-{number}/failed/{text_sha256(str(error))[:16]}",
        event="failed",
        severity=Severity.BAD,
        title=f"Iteration {number} stopped: {error}",
        lines=("The next `kedro iterate` tries the step again.",),
        time=datetime.now(UTC),
    )
    return send(alert, options)


def _drift(project: Project) -> Iterator[Alert]:
    place = project.root / DRIFT
    if place.is_file() and (alert := drift_alert(read_drift_file(place), PAGE)) is not None:
        yield alert


def _iteration(project: Project, report: Report) -> Iterator[Alert]:
    current = project.state.read()
    if report.line is not None:
        if report.line.outcome in _OUTCOMES:
            yield _over(report.line)
    elif current is not None and current.status in {Status.WAITING, Status.APPROVAL}:
        yield Alert(
            id=f"iteration-{current.number}/{current.upcoming.value}/{current.status.value}",
            event="approval" if report.ended is Ended.HELD else "waiting",
            severity=Severity.WARNING if report.ended is Ended.HELD else Severity.INFO,
            title=f"Iteration {current.number} waits: {report.told}",
            time=datetime.now(UTC),
        )


def _over(line: IterationLine) -> Alert:
    effects = [
        f"{name}: {one.get('decision', '')}, version {one['serves']} serves"
        for name, one in line.effect.items()
        if one.get("serves")
    ]
    return Alert(
        id=f"iteration-{line.number}/{line.outcome}",
        event=line.outcome,
        severity=_OUTCOMES[line.outcome],
        title=f"Iteration {line.number}: {line.outcome}",
        lines=(line.reason, *effects),
        facts={"people": f"${line.committed_usd:,.2f}"},
        time=datetime.fromisoformat(line.ended),
    )
