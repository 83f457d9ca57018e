"""What an alert says, whichever way it goes."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from cu_pipeline.reports.drift_told import DriftTold

DRIFT: Final = "drift"
NOTICE: Final = "notice"

_MOST_TESTS: Final = 5


class Severity(StrEnum):
    """How much an alert matters."""

    GOOD = "good"
    INFO = "info"
    WARNING = "warning"
    BAD = "bad"


class Alert(BaseModel):
    """One event that people are told of, once.

    Attributes:
        id: of the event: of the look or the iteration, with what happened; an alert with the id of one that was sent
            is not sent again.
        event: what kind it is, such as `drift`, `notice`, `promoted`, `waiting`, `failed`.
        severity: how much it matters.
        title: in one line.
        lines: what follows.
        facts: name -> value, such as the number of clips.
        link: where to read more: an address or a file; "": nowhere.
        time: of the event.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1)
    event: str = Field(min_length=1)
    severity: Severity
    title: str
    lines: tuple[str, ...] = ()
    facts: dict[str, str] = Field(default_factory=dict)
    link: str = ""
    time: AwareDatetime


def drift_alert(told: DriftTold, link: str = "") -> Alert | None:
    """The alert about a decision on drift; None where there is nothing to tell.

    Drift is told once a look; what must be said without drift, which mostly stays for a while, once a day.

    Args:
        told: the decision.
        link: to the page about it.
    """
    if told.decision != DRIFT and not told.notices:
        return None
    found = told.decision == DRIFT
    tests = [f"{told.title(test.name)}: {test.in_words} (p {test.p_adjusted:.2g})" for test in told.drifted]
    more = [f"and {len(tests) - _MOST_TESTS} more tests"] if len(tests) > _MOST_TESTS else []
    causes = [cause.in_words for cause in told.causes]
    title = f"Drift: {causes[0] if causes else told.summary}" if found else f"Monitoring: {told.notices[0]}"
    latest, time = told.window("latest"), told.look.time or datetime.now(UTC)
    facts = {"decision": told.verdict, "clips": f"{latest.clips if latest else told.current.n:,}"}
    for name, one in told.quality.items():
        if one.accuracy is not None:
            trust = "" if one.trusted else ", not to be trusted"
            facts[f"estimated quality of {name}"] = f"{one.accuracy:.0%}{trust}"
    return Alert(
        id=f"{told.look.id}/{DRIFT}" if found else f"{time:%Y-%m-%d}/{NOTICE}",
        event=DRIFT if found else NOTICE,
        severity=Severity.BAD if found else Severity.WARNING,
        title=title,
        lines=(*told.notices, *causes, *tests[:_MOST_TESTS], *more),
        facts=facts,
        link=link,
        time=time,
    )
