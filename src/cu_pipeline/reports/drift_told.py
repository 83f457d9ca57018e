"""What `drift.json` tells, typed, for all that shows it: pages, Evidently, commands, alerts."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.drift.plain_names import of_capability, plain_name

DECISIONS: Final = {"drift": "drift", "no_drift": "no drift", "not_enough_data": "not enough data"}
"""Decision -> its words."""

_REMEDY: Final = "Remedy: make run PIPELINES=monitor"


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TestTold(_Told):
    """One test of the comparison; `drifted` is what the decision was made of.

    Attributes:
        name: such as `fact_bytes` or `embedding_frames`.
        window: `latest` or `since_decision`.
        kind: fact, embedding, novelty, missing, label, confidence, abstention, language, traffic.
        effect: how much changed, in the kind's own unit, with its interval.
        least_effect: below which a change is none.
    """

    __test__ = False

    name: str
    window: str
    kind: str
    method: str
    statistic: float
    p_value: float
    p_adjusted: float
    effect: float
    effect_low: float
    effect_high: float
    least_effect: float
    drifted: bool
    in_words: str


class WindowTold(_Told):
    """A part of the traffic that was compared."""

    name: str
    start: AwareDatetime | None
    end: AwareDatetime | None
    clips: int
    units: int
    known_units: int
    requests: int


class LookTold(_Told):
    """One look at the traffic; the same inputs are the same look.

    Attributes:
        time: of the latest answer that it saw; None where there was none.
        alpha: that this look could spend.
    """

    id: str
    time: AwareDatetime | None
    alpha: float
    horizon_days: float


class CauseTold(_Told):
    """What changed, in words.

    Attributes:
        since: when it began, where that is known.
        share: of the window's clips.
        request_ids: of typical clips, the most typical first.
        trains: whether training on such clips would help.
    """

    kind: str
    in_words: str
    since: AwareDatetime | None
    share: float
    request_ids: tuple[str, ...]
    tests: tuple[str, ...]
    trains: bool


class QualityTold(_Told):
    """How good a capability's answers are estimated to be, without labels; None where there is no estimate."""

    accuracy: float | None
    low: float | None
    high: float | None
    method: str
    clips: int
    audits: int
    trusted: bool
    why: str


class NeededTold(_Told):
    """How many clips would answer a question; None: more than can be had."""

    question: str
    clips: int | None


class ReferenceTold(_Told):
    """What a served model learned from; `versions` are those of the models that also answered about it."""

    versions: tuple[str, ...]
    clips: int
    units: int


class CurrentTold(_Told):
    """The traffic: `n` distinct clips."""

    n: int
    units: int = 0
    known_units: int = 0
    requests: int = 0


class DriftTold(_Told):
    """A decision on drift and all that it rests on.

    Attributes:
        notices: what must be said first, such as that the service does not serve the champions.
        all_clear: nothing was found, and nothing stands in the way of saying so.
        tests: all that were made.
        causes: the strongest first.
        quality: capability -> estimate.
        sha256: of all that is told, also of what is not read here.
    """

    decision: str
    reason: str | None
    notices: tuple[str, ...]
    all_clear: bool
    alpha: float
    look: LookTold
    windows: tuple[WindowTold, ...]
    references: dict[str, ReferenceTold]
    current: CurrentTold
    tests: tuple[TestTold, ...]
    skipped: dict[str, str]
    causes: tuple[CauseTold, ...] = ()
    quality: dict[str, QualityTold] = Field(default_factory=dict)
    needed: tuple[NeededTold, ...] = ()
    summary: str
    sha256: str

    @property
    def verdict(self) -> str:
        """The decision in words."""
        return DECISIONS.get(self.decision, self.decision)

    @property
    def drifted(self) -> list[TestTold]:
        """The tests that declare drift, the surest and then the largest first."""
        return sorted((test for test in self.tests if test.drifted), key=lambda one: (one.p_adjusted, -one.effect))

    @property
    def least_p(self) -> float | None:
        """The smallest adjusted p-value; None without tests."""
        return min((test.p_adjusted for test in self.tests), default=None)

    def of_capability(self, name: str) -> tuple[str, str]:
        """Split a test's name into what was tested and the capability whose clips it was held against; "": all."""
        return of_capability(name, self.references)

    def title(self, name: str) -> str:
        """A test's name in plain words."""
        return plain_name(name, self.references)

    def window(self, name: str) -> WindowTold | None:
        """The window of a name; None where it was not looked at."""
        return next((window for window in self.windows if window.name == name), None)


def read_drift(found: Mapping[str, Any], place: str = "drift.json") -> DriftTold:
    """Read the `drift` dataset.

    Args:
        found: its content.
        place: where it was found, for the error.

    Raises:
        StoreError: it is of an earlier version, or damaged.
    """
    try:
        seen = {**found, "sha256": json_sha256(found)} if isinstance(found, Mapping) else found
        return DriftTold.model_validate(seen)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "all of it"
        raise StoreError(
            f"{place} is of another version of this package, or damaged ({where}: {first['msg']}). {_REMEDY}"
        ) from error


def read_drift_file(path: Path) -> DriftTold:
    """Read the last decision on drift from its file.

    Raises:
        StoreError: there is none, or it cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StoreError(f"nothing was monitored yet: there is no {path}. {_REMEDY}") from error
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {error}. {_REMEDY}") from error
    return read_drift(found, str(path))
