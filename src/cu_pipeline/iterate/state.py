"""Where an iteration stands: one file, written whole after each change, from which any process can go on."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from pydantic import ConfigDict

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.checked import checked
from cu_pipeline.core.errors import StoreError
from cu_pipeline.iterate.checked_line import Moment

FORMAT: Final = 1
"""Of the file; one of another format is refused."""


_NOTHING_ELSE: Final = ConfigDict(extra="forbid")


class StepName(StrEnum):
    """The steps of an iteration, in order."""

    MONITOR = "monitor"
    DECIDE = "decide"
    CHOOSE = "choose"
    COLLECT = "collect"
    LABEL = "label"
    ASK_PEOPLE = "ask_people"
    WAIT_FOR_PEOPLE = "wait_for_people"
    AUDIT = "audit"
    TRAIN = "train"
    APPROVE = "approve"
    DELIVER = "deliver"
    ROLLOUT = "rollout"
    SETTLE = "settle"


class Status(StrEnum):
    """What an iteration does.

    Attributes:
        RUNNING: its next step can be done.
        WAITING: for people's labels, or for the evidence of a rollout.
        APPROVAL: for a person's word.
        DONE: it is over, and in the ledger.
    """

    RUNNING = "running"
    WAITING = "waiting"
    APPROVAL = "approval"
    DONE = "done"


@dataclass(frozen=True)
class StepRecord:
    """One step that was begun.

    Attributes:
        name: of it.
        started: ISO 8601, UTC; of the first time.
        ended: likewise; "" while it is not done.
        tries: how often it was begun: more than once after a kill, an error, or while it waits.
        errors: how often in a row it ended with one.
        seconds: that the try took which ended it.
        inputs: file -> SHA-256 of what it went by.
        facts: what came of it, for later steps and for people.
    """

    __pydantic_config__ = _NOTHING_ELSE

    name: StepName
    started: str
    ended: str = ""
    tries: int = 1
    errors: int = 0
    seconds: float = 0.0
    inputs: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Iteration:
    """One turn of the loop.

    Attributes:
        number: of the iteration, from 1.
        started: ISO 8601, UTC.
        trigger: a person's reason for it; "": the monitor decides.
        status: what it does.
        reason: why it waits or how it ended, in words.
        upcoming: the step that comes next.
        steps: those that were begun, in order.
        run_id: of MLflow's parent run; "" before there is one.
        spent_usd: what all labels had cost when it began.
    """

    __pydantic_config__ = _NOTHING_ELSE

    number: int
    started: Moment
    trigger: str = ""
    status: Status = Status.RUNNING
    reason: str = ""
    upcoming: StepName = StepName.MONITOR
    steps: tuple[StepRecord, ...] = ()
    run_id: str = ""
    spent_usd: float = 0.0

    @classmethod
    def begin(cls, number: int, trigger: str, spent_usd: float) -> Self:
        """Start one now."""
        return cls(number, now(), trigger, spent_usd=spent_usd)

    @property
    def id(self) -> str:
        """How other files name it."""
        return f"{self.number:04}"

    def facts(self, name: StepName) -> dict[str, Any]:
        """What came of a step; empty where it is not done."""
        found = self.record(name)
        return found.facts if found and found.ended else {}

    def record(self, name: StepName) -> StepRecord | None:
        """The record of a step, if it was begun."""
        return next((one for one in self.steps if one.name is name), None)

    def beginning(self, name: StepName) -> Self:
        """Note that a step begins, perhaps again."""
        former = self.record(name)
        record = StepRecord(name, now()) if former is None else replace(former, tries=former.tries + 1)
        return replace(self._with(record), status=Status.RUNNING, reason="")

    def failing(self, name: StepName, error: str) -> Self:
        """Note that a step ended with an error; it is next again."""
        record = self.record(name)
        assert record is not None  # noqa: S101 - it was begun
        return replace(self._with(replace(record, errors=record.errors + 1)), reason=error)

    def waiting(self, name: StepName, status: Status, reason: str) -> Self:
        """Note that a step is not over, but did what it could: errors before are forgotten."""
        record = self.record(name)
        assert record is not None  # noqa: S101 - it was begun
        return replace(self._with(replace(record, errors=0)), status=status, reason=reason)

    def ending(
        self, name: StepName, seconds: float, facts: Mapping[str, Any], inputs: Mapping[str, str], upcoming: StepName
    ) -> Self:
        """Note that a step is done, what came of it, and what is next."""
        record = self.record(name)
        assert record is not None  # noqa: S101 - it was begun
        done = replace(record, ended=now(), seconds=round(seconds, 1), facts=dict(facts), inputs=dict(inputs))
        return replace(self._with(done), upcoming=upcoming)

    def _with(self, record: StepRecord) -> Self:
        kept = [one for one in self.steps if one.name is not record.name]
        return replace(self, steps=(*kept, record))


class StateFile:
    """The file that holds the last iteration.

    Args:
        path: of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Iteration | None:
        """Read it; None where there was no iteration yet.

        Raises:
            StoreError: it is damaged, or of another version.
        """
        if not self.path.is_file():
            return None
        try:
            content = content_of(self.path, FORMAT)
            if lacking := sorted({"status", "upcoming", "steps"} - content.keys()):
                raise ValueError(f"it lacks {', '.join(lacking)}")
            return checked(Iteration, content)
        except ValueError as error:
            raise StoreError(
                f"{self.path} does not tell where the last iteration stands ({error}). Remedy: move it away; the next "
                "`kedro iterate` then begins anew, and what was labelled and trained is kept"
            ) from error

    def write(self, iteration: Iteration) -> None:
        """Write it whole."""
        write_text(self.path, json.dumps({"format": FORMAT, **asdict(iteration)}, indent=2, ensure_ascii=False) + "\n")


def content_of(path: Path, version: int) -> dict[str, Any]:
    """Read a file with one JSON object that tells its format, and leave that out.

    Args:
        path: of it.
        version: the format that is read.

    Raises:
        ValueError: it is damaged, or of another version.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or content.pop("format", None) != version:
        raise ValueError("it is of another version")
    return content


def now() -> str:
    """This moment, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
