"""The ledger of iterations: `data/08_reporting/iterations.jsonl`, one line for each that is over."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from cu_pipeline.core.checked import checked
from cu_pipeline.core.json_lines import LineLog
from cu_pipeline.iterate.checked_line import CheckedLine

AUDITED: Final = "audited"
"""The outcome of an audit, whatever it found."""

PROMOTED: Final = "promoted"
"""The outcome of an iteration that put a new champion into service."""

FAILED: Final = "failed"
"""The outcome of an iteration that was given up."""

OUTCOMES: Final = ("nothing", "alerted", AUDITED, "labelled", PROMOTED, "kept", "vetoed", FAILED)
"""How iterations end."""

MONTH: Final = timedelta(days=30)
"""What a month of money is."""


@dataclass(frozen=True)
class IterationLine:
    """An iteration that is over: cause, cost, effect.

    Attributes:
        number: of it.
        started: ISO 8601, UTC.
        ended: likewise.
        action: what was decided: `nothing`, `alert`, `audit`, `label` or `retrain`.
        outcome: how it ended, of `OUTCOMES`.
        reason: of the outcome, in words.
        cause: the strongest cause: `kind`, `in_words`, `since`, `share`; empty without drift.
        look: what names the data that the monitor looked at.
        window: `start` and `end` of the latest clips that it looked at, ISO 8601; empty where there were none.
        cost: US dollars: `committed_usd` to people, `paid_usd` for all labels; and `requested`, `asked` (with those
            whose answer is known), `answered` clips, `people`.
        effect: capability -> `decision`, `champion` before, `challenger`, gain in accuracy, on fresh clips too, and the
            version that `serves` now; of an audit what `fitness.Fitness.to_json` tells, and the version that `serves`.
        quality: capability -> estimated accuracy before, where the monitor trusts its estimate.
        seconds: step -> that it took.
        run_id: of MLflow's parent run.
        actor: who ran it, as user@host; "": written by an earlier version.
    """

    number: int
    started: str
    ended: str
    action: str
    outcome: str
    reason: str
    cause: dict[str, Any] = field(default_factory=dict)
    look: str = ""
    window: dict[str, str] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    effect: dict[str, dict[str, Any]] = field(default_factory=dict)
    quality: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    run_id: str = ""
    actor: str = ""

    @property
    def committed_usd(self) -> float:
        """What people were promised."""
        return float(self.cost.get("committed_usd", 0.0))

    @property
    def audited(self) -> bool:
        """Whether champions were audited."""
        return self.outcome == AUDITED

    @property
    def found_worse(self) -> bool:
        """Whether an audit did not find all champions fit."""
        return self.audited and not all_fit(one.get("fit") for one in self.effect.values())

    @property
    def trained(self) -> bool:
        """Whether a challenger was trained."""
        return "train" in self.seconds


class IterationLog(LineLog[IterationLine]):
    """The file of the ledger."""

    remedy = "take back the file's last whole version, or delete that line: what it recorded is then forgotten"

    @staticmethod
    def encode(record: IterationLine) -> dict[str, Any]:
        """Turn a line into what stands in it."""
        return asdict(record)

    @staticmethod
    def decode(line: dict[str, Any]) -> IterationLine:
        """Turn what stands in a line into it; keys of later versions are left out."""
        checked(CheckedLine, line)
        return IterationLine(**{key: value for key, value in line.items() if key in IterationLine.__annotations__})


def all_fit(found: Iterable[bool | None]) -> bool:
    """Whether champions are fit together: none is worse, and of one at least it is known.

    Args:
        found: of each, whether it is fit; None: too little is known of it.
    """
    known = [one for one in found if one is not None]
    return bool(known) and all(known)


def month_usd(lines: Iterable[IterationLine], at: datetime) -> float:
    """What people were promised by iterations that began within 30 days, US dollars."""
    return sum(one.committed_usd for one in lines if datetime.fromisoformat(one.started) > at - MONTH)


def last_training(lines: Iterable[IterationLine]) -> datetime | None:
    """When an iteration that trained ended last; None: none did."""
    ended = [datetime.fromisoformat(one.ended) for one in lines if one.trained]
    return max(ended, default=None)


def acted_on(lines: Iterable[IterationLine]) -> dict[str, IterationLine]:
    """The looks that an iteration has audited, labelled or trained for, or tried to.

    An audit that finds champions worse does not deal with a look: the training does that comes after it.
    """
    return {
        one.look: one
        for one in lines
        if one.look and one.action in {"audit", "label", "retrain"} and not one.found_worse
    }
