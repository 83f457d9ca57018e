"""The history of looks at the traffic: what each one decided, why, and on how much; the oldest go."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from cu_pipeline.core.errors import StoreError
from cu_pipeline.reports.drift_told import DECISIONS, DriftTold, QualityTold

LOOKS: Final = "looks"
"""The key of the list in the dataset."""


class PastWindow(BaseModel):
    """A window of a look: how many clips, units and requests, from when to when."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    start: AwareDatetime | None
    end: AwareDatetime | None
    clips: int
    units: int
    requests: int


class PastLook(BaseModel):
    """One look at the traffic.

    Attributes:
        id: of the look.
        time: of it.
        decision: what it came to.
        all_clear: whether that meant that all is well.
        alpha: that it spent.
        clips: of the latest window.
        windows: that were compared.
        tests: that were made.
        drifted: names of those that declare drift, the surest first.
        effects: test -> effect.
        causes: in words, the strongest first.
        kinds: of the causes.
        quality: capability -> estimate.
        least_p: the smallest adjusted p-value; None without tests.
        spent_usd: what all labels had cost by then; None where that is not known.
        sha256: of all that was told.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    time: AwareDatetime
    decision: str
    all_clear: bool
    alpha: float
    clips: int
    windows: tuple[PastWindow, ...]
    tests: int
    drifted: tuple[str, ...]
    effects: dict[str, float]
    causes: tuple[str, ...]
    kinds: tuple[str, ...]
    quality: dict[str, QualityTold]
    least_p: float | None
    spent_usd: float | None
    sha256: str

    @property
    def verdict(self) -> str:
        """The decision in words."""
        return DECISIONS.get(self.decision, self.decision)


def past_look(told: DriftTold, spent_usd: float | None) -> PastLook | None:
    """What is kept of a decision on drift; None where no answer was seen at all."""
    if told.look.time is None:
        return None
    latest = told.window("latest")
    return PastLook(
        id=told.look.id,
        time=told.look.time,
        decision=told.decision,
        all_clear=told.all_clear,
        alpha=told.look.alpha,
        clips=latest.clips if latest else told.current.n,
        windows=tuple(PastWindow.model_validate(window.model_dump()) for window in told.windows),
        tests=len(told.tests),
        drifted=tuple(dict.fromkeys(test.name for test in told.drifted)),
        effects=effects(told),
        causes=tuple(cause.in_words for cause in told.causes),
        kinds=tuple(cause.kind for cause in told.causes),
        quality=told.quality,
        least_p=told.least_p,
        spent_usd=spent_usd,
        sha256=told.sha256,
    )


def effects(told: DriftTold) -> dict[str, float]:
    """Test -> effect, in the latest window where a test was made in several."""
    ordered = sorted(told.tests, key=lambda test: test.window == "latest")
    return {test.name: test.effect for test in ordered}


def read_history(found: Mapping[str, Any]) -> list[PastLook]:
    """Read the `drift_history` dataset, oldest first; what is damaged or of another version is left out."""
    looks: list[PastLook] = []
    for one in found.get(LOOKS, []):
        try:
            looks.append(PastLook.model_validate(one))
        except ValidationError:
            continue
    return looks


def read_history_file(path: Path) -> list[PastLook]:
    """Read the history from its file, oldest first; none where there is no file.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        return read_history(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path} cannot be read: {error}. Remedy: delete it; the next look begins a new one"
        ) from error


def write_history(looks: Sequence[PastLook]) -> dict[str, Any]:
    """The `drift_history` dataset."""
    return {LOOKS: [look.model_dump(mode="json") for look in looks]}


def with_look(looks: Sequence[PastLook], new: PastLook | None, most: int) -> list[PastLook]:
    """Add a look, in the place of one with its id, and let the oldest go.

    Args:
        looks: oldest first.
        new: the look; None: nothing was seen.
        most: how many are kept.
    """
    kept = [look for look in looks if new is None or look.id != new.id]
    return sorted([*kept, *([] if new is None else [new])], key=lambda look: (look.time, look.id))[-most:]


def within_horizon(looks: Sequence[PastLook], days: float) -> list[PastLook]:
    """The looks of so many days up to the last one."""
    last = max((look.time for look in looks), default=None)
    return [look for look in looks if last is not None and (last - look.time).total_seconds() <= 86_400 * days]
