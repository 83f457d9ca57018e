"""A certification test and its outcome, in the one form in which they are passed on, kept and read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import takewhile
from typing import Any, Final, Self

SUREST: Final = "surest"
"""Stands in results on single answers for whichever source is surest of a clip."""

_FORMER_ORDER: Final = (SUREST, "rule", "model", "llm")
"""In which sources were asked where a test of an earlier version names no sequence: that of prices by default."""

_FORMER_TERMS: Final = {"machines": "sources", "offered": "eligible"}
"""Terms of tests by their names in files of earlier versions."""


@dataclass(frozen=True)
class CertificationResult:
    """Which answers are accepted without a person, and why.

    Attributes:
        answer: the one that this is about; "" for all answers.
        thresholds: source -> least confidence to accept its answer; sources without one are not asked.
        accepted: calibration clips that they accept.
        wrong: of these.
        p_value: of the test; 1 where nothing is certified.
        more_labels: calibration labels that are lacking, if the sources go on as seen; 0: something is certified; None:
            no number helps.
        sequence: sources with a threshold, in the order in which they are asked.
    """

    answer: str
    thresholds: dict[str, float]
    accepted: int
    wrong: int
    p_value: float
    more_labels: int | None
    sequence: list[str] = field(default_factory=list)

    @classmethod
    def nothing(cls, more_labels: int | None, answer: str = "") -> Self:
        """Make the result of a test that certifies nothing."""
        return cls(answer, {}, 0, 0, 1.0, more_labels)

    @property
    def certified(self) -> bool:
        """Whether any answer is accepted."""
        return bool(self.thresholds)

    def before(self, source: str) -> Self:
        """Leave only what is accepted before a source is asked."""
        earlier = list(takewhile(lambda one: one != source, self.sequence))
        return replace(self, thresholds={one: self.thresholds[one] for one in earlier}, sequence=earlier)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read a record of this or an earlier version, which may lack the sequence."""
        sequence = record.get("sequence") or sorted(record["thresholds"], key=_FORMER_ORDER.index)
        return cls(**{**record, "sequence": sequence})


@dataclass(frozen=True)
class CertificationTest:
    """One test of sources on calibration clips, kept for good since it was paid for.

    Attributes:
        capability: that was tested.
        terms: all else that decides its outcome: alpha, delta, and the sources with their versions.
        labels: clip -> people's label, of the calibration clips.
        delta: probability of error that it was given; 0: no test was made.
        results: its outcome.
    """

    capability: str
    terms: dict[str, Any]
    labels: dict[str, str]
    delta: float
    results: list[CertificationResult] = field(default_factory=list)

    @property
    def certified(self) -> bool:
        """Whether any answer is accepted."""
        return any(result.certified for result in self.results)

    def answers(self, wanted: "CertificationTest") -> bool:
        """Say whether it asked the same, and people still say what they said then."""
        agrees = all(wanted.labels.get(clip, label) == label for clip, label in self.labels.items())
        return self.terms == wanted.terms and agrees

    @property
    def more_labels(self) -> int | None:
        """How many calibration labels are lacking at least; 0: something is certified; None: no number helps."""
        wanted = [result.more_labels for result in self.results if result.more_labels is not None]
        return 0 if self.certified else min(wanted, default=None)

    def as_json(self) -> dict[str, Any]:
        """Write the record for a file."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read a record of this or an earlier version, in which some things had other names."""
        terms = {_FORMER_TERMS.get(name, name): value for name, value in record["terms"].items()}
        results = [CertificationResult.from_json(one) for one in record.get("results", record.get("verdicts", ()))]
        return cls(record["capability"], terms, dict(record["labels"]), record["delta"], results)
