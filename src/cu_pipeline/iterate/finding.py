"""What the loop goes by of the monitor's decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cu_pipeline.drift.windows import LATEST
from cu_pipeline.reports.drift_told import CauseTold, DriftTold

DRIFT: Final = "drift"
UNKNOWN: Final = "unknown"
UPSTREAM_FAULT: Final = "upstream_fault"
NEW_TOPIC: Final = "new_topic"

_MOST_WORDS: Final = 3


@dataclass(frozen=True)
class FoundCause:
    """Why traffic differs.

    Attributes:
        kind: `upstream_fault`, `mix`, `new_style`, `new_topic`, `reuploads`, `new_language`, `client`,
            `slow_service` or `unknown`.
        in_words: for people.
        since: when it began, as far as that is known.
        share: of the window's clips.
        request_ids: of typical clips.
        trains: whether new labels and a new model can be the answer.
    """

    kind: str
    in_words: str
    since: datetime | None = None
    share: float = 1.0
    request_ids: tuple[str, ...] = ()
    trains: bool = True


@dataclass(frozen=True)
class Finding:
    """The monitor's decision.

    Attributes:
        decision: `drift`, `no_drift` or `not_enough_data`.
        reason: of it, where there is one.
        summary: in words.
        notices: what must be said before any all-clear.
        causes: of a drift, the strongest first; never empty where there is one.
        look: what names the data that were looked at: the same look again is no news.
        alpha: level of that look.
        window: times of the first and last of the latest clips; None: there were none.
        accuracy: capability -> estimated accuracy of the served model, of estimates that can be trusted.
    """

    decision: str
    reason: str = ""
    summary: str = ""
    notices: tuple[str, ...] = ()
    causes: tuple[FoundCause, ...] = ()
    look: str = ""
    alpha: float = 0.0
    window: tuple[datetime, datetime] | None = None
    accuracy: Mapping[str, float] | None = None

    @property
    def drifted(self) -> bool:
        """Whether traffic differs from what the models learned from."""
        return self.decision == DRIFT


def finding_of(told: DriftTold) -> Finding:
    """Take from a decision on drift what the loop goes by.

    A drift that nobody can explain has one cause of the kind `unknown`.

    Args:
        told: the decision.
    """
    drifted = told.decision == DRIFT
    latest = told.window(LATEST)
    causes = tuple(_cause(one) for one in told.causes) or (_unexplained(told),)
    return Finding(
        decision=told.decision,
        reason=told.reason or "",
        summary=told.summary,
        notices=told.notices,
        causes=causes if drifted else (),
        look=told.look.id,
        alpha=told.look.alpha,
        window=(latest.start, latest.end) if latest and latest.start and latest.end else None,
        accuracy={name: one.accuracy for name, one in told.quality.items() if one.trusted and one.accuracy is not None},
    )


def _cause(one: CauseTold) -> FoundCause:
    return FoundCause(one.kind, one.in_words, one.since, one.share, one.request_ids, one.trains)


def _unexplained(told: DriftTold) -> FoundCause:
    names = [one.name for one in told.tests if one.drifted]
    rest = f" and {len(names) - _MOST_WORDS} more" if len(names) > _MOST_WORDS else ""
    return FoundCause(
        UNKNOWN, f"drift without a named cause: {', '.join(names[:_MOST_WORDS]) or 'no test named'}{rest}"
    )
