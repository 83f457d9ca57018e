from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import takewhile
from typing import Any, Final

from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.labeling.guarantee.alpha_spending import Allowance, Use
from cu_pipeline.labeling.sources.source import KINDS

SUREST: Final = "surest"
"""Stands in verdicts on single answers for whichever machine is surest of a clip."""


@dataclass(frozen=True)
class Verdict:
    """Which answers are accepted without a person, and why.

    Attributes:
        answer: the one that this is about; "" for all answers.
        thresholds: kind of machine -> least confidence to accept its answer; kinds without one are not asked.
        accepted: calibration clips that they accept.
        wrong: of these.
        p_value: of the test.
        more_labels: calibration labels that are lacking, if the machines go on as seen; None: no number helps.
        sequence: kinds of machines with a threshold, in the order in which they are asked.
    """

    answer: str
    thresholds: dict[str, float]
    accepted: int
    wrong: int
    p_value: float
    more_labels: int | None
    sequence: list[str] = field(default_factory=list)

    @property
    def order(self) -> list[str]:
        """The sequence; where none was kept, that of prices as they were by default."""
        return self.sequence or sorted(self.thresholds, key=[SUREST, *KINDS].index)

    def before(self, kind: str) -> "Verdict":
        """Give what is accepted before a kind of machine is asked."""
        earlier = list(takewhile(lambda one: one != kind, self.order))
        return replace(self, thresholds={one: self.thresholds[one] for one in earlier}, sequence=earlier)


@dataclass(frozen=True)
class Trial:
    """One test of machines on calibration clips, kept for good since it was paid for.

    Attributes:
        capability: that was tested.
        terms: all else that decides its outcome: alpha, delta and the machines with their versions.
        labels: clip -> people's label, of the calibration clips.
        delta: probability of error that it was given; 0: no test was made.
        verdicts: its outcome.
    """

    capability: str
    terms: dict[str, Any]
    labels: dict[str, str]
    delta: float
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def certified(self) -> bool:
        """Whether any answer is accepted."""
        return any(verdict.thresholds for verdict in self.verdicts)

    def answers(self, wanted: "Trial") -> bool:
        """Say whether it asked the same, and people still say what they said then."""
        agrees = all(wanted.labels.get(clip, label) == label for clip, label in self.labels.items())
        return self.terms == wanted.terms and agrees

    @property
    def more_labels(self) -> int | None:
        """How many calibration labels are lacking at least; 0: something is certified; None: no number helps."""
        wanted = [verdict.more_labels for verdict in self.verdicts if verdict.more_labels is not None]
        return 0 if self.certified else min(wanted, default=None)

    @property
    def test(self) -> str:
        """What stands for it in the account of delta."""
        return json_sha256([self.capability, self.terms, self.labels])

    def as_json(self) -> dict[str, Any]:
        """Give the record for a file."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Trial":
        """Read what `as_json` gave."""
        return cls(**{**record, "verdicts": [Verdict(**verdict) for verdict in record["verdicts"]]})


def account(trials: Sequence[Trial], delta: float) -> Allowance:
    """Give what one capability's trials have spent of delta."""
    return Allowance(delta, tuple(Use(trial.test, frozenset(trial.labels), trial.delta) for trial in trials))
