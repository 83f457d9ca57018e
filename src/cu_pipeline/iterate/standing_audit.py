"""What is known of the champions that serve: the last audit of them, or the last training that they came out of."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from cu_pipeline.iterate.ledger import PROMOTED, IterationLine
from cu_pipeline.iterate.options import AuditOptions

RETRAIN: Final = "retrain"
"""The action of an iteration that trains."""

_LEVEL: Final = 0.95
"""Of the intervals that the gate tells."""


@dataclass(frozen=True)
class Likeness:
    """Whether clips are as those that champions were audited on.

    Attributes:
        alike: whether tests tell them apart no more than chance does.
        told: in words.
    """

    alike: bool
    told: str


@dataclass(frozen=True)
class Champions:
    """The champions that serve, and how what they see now is held against what they were audited on.

    Attributes:
        serving: capability -> version.
        compare: compares the latest clips with those that an iteration looked at.
    """

    serving: Mapping[str, str]
    compare: Callable[[IterationLine], Likeness]

    def audit_of(self, lines: Sequence[IterationLine], options: AuditOptions, at: datetime) -> IterationLine | None:
        """Find the last iteration that tells how good these very champions are on clips that the service saw.

        That is one that audited them, or one that trained and after which they served: the gate has compared them with
        a challenger on the random clips of that iteration. Where it kept the champions, such a gain as audits look for
        must be ruled out: else nobody knows yet whether there is something better, and more labels tell. A training
        stands for `training_stands_days` only: that the best which is known serves does not say that it is good. An
        audit that found champions worse is used up by the training that came of it, whatever became of that.

        Args:
            lines: the ledger.
            options: of audits: for how long they stand.
            at: now.
        """
        oldest = at - timedelta(days=options.stands_days)
        training_came = False
        for one in reversed(lines):
            if datetime.fromisoformat(one.ended) < oldest:
                return None
            if self._is_about(one):
                counts = one.audited or (_fresh_clips(one) >= options.least_clips and _is_settled(one, options, at))
                return one if counts and not (one.found_worse and training_came) else None
            training_came = training_came or one.action == RETRAIN
        return None

    def _is_about(self, line: IterationLine) -> bool:
        """Whether an iteration tells of these champions."""
        tells = line.audited or (line.trained and line.outcome in {"kept", PROMOTED})
        same = all(line.effect.get(name, {}).get("serves") == version for name, version in self.serving.items())
        return tells and bool(self.serving) and same


def _fresh_clips(line: IterationLine) -> int:
    return max((int(one.get("fresh_clips") or 0) for one in line.effect.values()), default=0)


def _is_settled(line: IterationLine, options: AuditOptions, at: datetime) -> bool:
    """Whether a training of late replaced a champion, or rules out that challengers gain what audits look for."""
    if datetime.fromisoformat(line.ended) <= at - timedelta(days=options.training_stands_days):
        return False
    return line.outcome == PROMOTED or all(_gains_little(one, options) for one in line.effect.values())


def _gains_little(row: Mapping[str, Any], options: AuditOptions) -> bool:
    """Whether a gain by `worst_drop` on fresh clips is ruled out at `alpha`, by a t test over units.

    The error is at least that of as many units, of which so many as `worst_drop` differ: of a few that are all alike
    the spread tells nothing. Lines that tell no interval, as those of before, are taken at their word.
    """
    if row.get("fresh_interval") is None or row.get("fresh_freedom") is None:
        return True
    from scipy.stats import t

    low, high = row["fresh_interval"]
    freedom, gain = max(float(row["fresh_freedom"]), 1.0), options.worst_drop
    told = (high - low) / 2 / float(t.isf((1 - _LEVEL) / 2, freedom))
    error = max(told, math.sqrt(gain * (1 - gain) / max(int(row["fresh_units"]), 1)))
    return bool(row["fresh_effect"] + float(t.isf(options.alpha, freedom)) * error < options.worst_drop)
