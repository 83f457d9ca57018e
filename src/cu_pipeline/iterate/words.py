"""The loop in words: where it stands, and what iterations came to."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from cu_pipeline.iterate.evidence import challengers
from cu_pipeline.iterate.ledger import IterationLine
from cu_pipeline.iterate.state import Iteration, Status, StepName
from cu_pipeline.iterate.verdicts import Standing

_WIDTH: Final = 100


def status_lines(current: Iteration | None, standing: Standing) -> list[str]:
    """Say where the loop stands.

    Args:
        current: the last iteration; None: there was none.
        standing: what people said.
    """
    lines = [f"held by {standing.hold}"] if standing.hold else []
    if current is None:
        return [*lines, "no iteration yet: `kedro iterate`"]
    state = {
        Status.RUNNING: f"next: {_words(current.upcoming)}",
        Status.WAITING: f"waits: {current.reason}",
        Status.APPROVAL: f"waits for approval: {current.reason}",
        Status.DONE: f"over: {current.reason}",
    }[current.status]
    lines.append(f"iteration {current.number}, begun {current.started}: {state}")
    if current.status is Status.RUNNING and current.reason:
        lines.append(f"  the last try failed: {current.reason}")
    if standing.approved:
        lines.append(f"  approved by {standing.approved}")
    for record in current.steps:
        ended = f"{record.seconds:8.1f} s" if record.ended else "  not over"
        again = f", begun {record.tries} times" if record.tries > 1 else ""
        lines.append(f"  {_words(record.name):<16}{ended}{again}{_told(record.name, record.facts)}")
    return lines


def history_table(lines: Sequence[IterationLine]) -> list[str]:
    """Write the ledger as a table."""
    if not lines:
        return ["no iteration is over yet"]
    rows = [["no.", "began", "cause", "did", "ended", "people", "paid", "accuracy gained", "min"]]
    rows += [
        [
            str(one.number),
            one.started[:16].replace("T", " "),
            one.cause.get("kind", "-").replace("_", " "),
            one.action,
            one.outcome,
            f"{one.cost.get('answered', 0)}",
            f"${one.cost.get('paid_usd', 0.0):.2f}",
            _gains(one),
            f"{sum(one.seconds.values()) / 60:.1f}",
        ]
        for one in lines
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _gains(line: IterationLine) -> str:
    told = []
    for name, one in line.effect.items():
        fresh = one.get("fresh_effect")
        gain = one.get("effect") if fresh is None else fresh
        if gain is not None:
            told.append(f"{name} {100 * gain:+.1f}" + ("" if fresh is None else " (fresh clips)"))
        elif line.audited and one.get("clips"):
            told.append(f"{name} {one.get('right', 0)} of {one['clips']} right")
    return ", ".join(told) or "-"


def _told(name: StepName, facts: Mapping[str, Any]) -> str:
    """What came of a step, on one line."""
    said = _FACTS[name](facts) if facts and name in _FACTS else ""
    return f"  {said[:_WIDTH]}{'…' if len(said) > _WIDTH else ''}" if said else ""


def _approved(facts: Mapping[str, Any]) -> str:
    names = ", ".join(facts["promoted"])
    refused = "; ".join(f"{name} is not promoted: {why}" for name, why in facts["refused"].items())
    return "; ".join(part for part in (f"{names} promoted" if names else "", refused) if part) or "nothing is promoted"


def _judged(facts: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{one.capability} {'better' if one.promoted else 'kept back'}" for one in challengers(facts["gate"])
    )


_FACTS: Final[dict[StepName, Callable[[Mapping[str, Any]], str]]] = {
    StepName.MONITOR: lambda facts: str(facts["decision"]),
    StepName.DECIDE: lambda facts: f"{facts['action']}: {facts['reason']}",
    StepName.CHOOSE: lambda facts: f"{facts['requested']} clips are asked for",
    StepName.COLLECT: lambda facts: f"{facts['served']} clips that the service saw are in the data",
    StepName.LABEL: lambda facts: f"{facts['queued']} clips are left for people",
    StepName.ASK_PEOPLE: lambda facts: f"{facts['clips']} clips, ${facts['committed_usd']:.2f}, {facts['place']}",
    StepName.WAIT_FOR_PEOPLE: lambda facts: f"{facts['answered']} clips are answered",
    StepName.AUDIT: lambda facts: str(facts["told"]),
    StepName.TRAIN: _judged,
    StepName.APPROVE: _approved,
}
"""Step -> what its facts say, in words."""


def _words(name: StepName) -> str:
    return name.value.replace("_", " ")
