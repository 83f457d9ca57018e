"""Whether a champion is as good on clips that the service saw as on its own test clips. No files are read here."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind, indicators, split_label
from cu_pipeline.evaluation.bootstrap import Bootstrap
from cu_pipeline.evaluation.metrics import METRICS, ScoredClips
from cu_pipeline.evaluation.paired_test import PairedGain
from cu_pipeline.iterate.options import AuditOptions

LEAST_UNITS: Final = 5
"""Units from which answers tell anything; as for the gate's fresh clips."""

_ACCURACY: Final = "accuracy"
_LEVEL: Final = 0.95


@dataclass(frozen=True)
class Promise:
    """What is promised of a champion: its accuracy on its own test clips, as `quality.json` tells it.

    Attributes:
        accuracy: share of clips that it gets right.
        error: its standard error.
        freedom: degrees of freedom of that error.
    """

    accuracy: float
    error: float
    freedom: float

    @classmethod
    def of(cls, row: Mapping[str, Any] | None, version: str) -> Self | None:
        """Read a capability's part of the `served_quality` dataset.

        The standard error is taken from the 95 % interval, which is one of t over units.

        Args:
            row: the part; None: there is none.
            version: of the champion.

        Returns:
            None where nothing is promised of this very model.
        """
        if row is None or row["model_version"] != version:
            return None
        from scipy.stats import t

        freedom = max(int(row["units"]) - 1, 1)
        half = (float(row["high"]) - float(row["low"])) / 2
        return cls(float(row["accuracy"]), half / float(t.isf((1 - _LEVEL) / 2, freedom)), freedom)


@dataclass(frozen=True)
class Audited:
    """What a champion said of audited clips, beside what people said.

    Attributes:
        answers: of n clips, the likeliest class where it gave none.
        units: (n): what ties clips together.
    """

    answers: ScoredClips
    units: NDArray[np.str_]

    @classmethod
    def of(cls, kind: Kind, truth: list[str], said: list[Mapping[str, float]], named: list[str], units: Any) -> Self:
        """Hold answers against labels; a class that the model does not know counts as a mistake.

        Args:
            kind: of the capability.
            truth: people's labels of n clips.
            said: class -> probability.
            named: the champion's labels.
            units: of the clips.
        """
        known = {name: None for row in said for name in row}
        known |= {name: None for label in truth for name in split_label(label, kind)}
        capability = Capability(kind=kind, classes=tuple(known))
        chances = np.array([[row.get(name, 0.0) for name in known] for row in said], dtype=np.float64)
        scored = ScoredClips(
            kind, indicators(truth, capability), chances.reshape(-1, len(known)), indicators(named, capability)
        )
        return cls(scored.always_answered(), np.asarray(units, dtype=str))

    def __len__(self) -> int:
        return len(self.units)


@dataclass(frozen=True)
class Fitness:
    """How good a champion is on clips that the service saw, against what is promised of it.

    Attributes:
        champion: its version.
        clips: that people labelled.
        right: of them that it got right.
        accuracy: the share of these; None without clips.
        low: of its 95 % interval over units.
        high: likewise.
        promised: accuracy on its own test clips; None: nothing is.
        p_value: of its having fallen by `worst_drop`; None where it was not tested.
        fit: whether so large a fall is ruled out; None: too little is known.
        why: in words.
    """

    champion: str
    clips: int
    right: int
    accuracy: float | None
    low: float | None
    high: float | None
    promised: float | None
    p_value: float | None
    fit: bool | None
    why: str

    def to_json(self) -> dict[str, Any]:
        """What the state and the ledger keep."""
        return asdict(self)


def judge(
    champion: str, found: Audited | None, promise: Promise | None, options: AuditOptions, bootstrap: Bootstrap
) -> Fitness:
    """Judge a champion by what it said of clips that people labelled; for the rule see `held_against`.

    Args:
        champion: its version.
        found: what it said of the audited clips; None: nothing is known.
        promise: what is promised of it; None: nothing is.
        options: of audits.
        bootstrap: of the interval.
    """
    clips = 0 if found is None else len(found)
    units = 0 if found is None else len(set(found.units))
    promised = None if promise is None else promise.accuracy
    if found is None or clips < options.least_clips or units < LEAST_UNITS:
        least = f"{options.least_clips} (iterate.audit.least_clips) of {LEAST_UNITS} creators are needed"
        told = f"people labelled {clips} clips of {units} creators that it had answered about; {least}"
        return Fitness(champion, clips, 0, None, None, None, promised, None, None, told)
    right = found.answers.correct()
    share = float(right.mean())
    interval = bootstrap.intervals(found.answers, {_ACCURACY: METRICS[_ACCURACY]}, found.units)[_ACCURACY]
    low, high = interval or (None, None)
    counted = f"it answers {int(right.sum())} of {clips} right"
    measured = (champion, clips, int(right.sum()), share, low, high)
    if promise is None:
        return Fitness(*measured, None, None, None, f"{counted}, and nothing is promised of it: it has no test clips")
    p, is_fit = held_against(PairedGain.of(right, found.units), promise, options)
    fall = f"a fall by {100 * options.worst_drop:g} points is {'' if is_fit else 'not '}ruled out (p = {p:.2g})"
    told = f"{counted} ({share:.0%}; {promise.accuracy:.0%} of its own test clips): {fall}"
    return Fitness(*measured, promise.accuracy, p, is_fit, told)


def held_against(right: PairedGain, promise: Promise, options: AuditOptions) -> tuple[float, bool]:
    """Hold an accuracy against what was promised.

    A champion is fit where it is shown to lie less than `worst_drop` below the promise. Where that is not shown it is
    trained: a fall that stays costs more than labels, and the clips of the audit are those that the gate tests on.

    Args:
        right: of each unit, how many clips are answered right.
        promise: what was promised.
        options: of audits.

    Returns:
        The p-value of so large a fall, and whether it is ruled out.
    """
    p = p_value(right, promise, options.worst_drop)
    return p, p <= options.alpha


def p_value(right: PairedGain, promise: Promise, drop: float) -> float:
    """Test whether an accuracy has fallen by as much as `drop` or more.

    A one-sided t test of two means, each with its cluster-robust standard error over units, and Welch's degrees of
    freedom (Biometrika 1947) from those of both. The standard error of the audited clips is no smaller than that of so
    many units of equal size, each right or wrong as one, whose accuracy has fallen so far: when by chance nearly all
    are right they differ too little to tell how uncertain their mean is.

    Args:
        right: of each unit, how many clips are answered right.
        promise: what was promised.
        drop: by which the accuracy may have fallen.
    """
    from scipy.stats import t

    fallen = min(max(promise.accuracy - drop, 0.0), 1.0)
    units = right.freedom + 1
    own = max(right.standard_error, math.sqrt(fallen * (1 - fallen) / units))
    error = math.hypot(own, promise.error)
    if not error:
        return float(right.effect <= fallen)
    freedom = error**4 / (own**4 / right.freedom + promise.error**4 / promise.freedom)
    return float(t.sf((right.effect - fallen) / error, freedom))
