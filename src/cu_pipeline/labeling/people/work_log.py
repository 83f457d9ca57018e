"""What is kept of people's work: batches of clips that were sent out, what was decided on them, and answers."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.caption_text import clean_name
from cu_pipeline.core.databases import shared_database
from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.json_lines import append_lines, read_lines
from cu_pipeline.core.options import Options
from cu_pipeline.labeling.people.shared_log import SharedLines

Record = TypeVar("Record", bound=BaseModel)


def _clean_labels(labels: dict[str, str]) -> dict[str, str]:
    return {name: clean_name(label) for name, label in labels.items()}


Labels = Annotated[dict[str, str], AfterValidator(_clean_labels)]
"""Capability to label. Names are cleaned as the feed's are, also those that earlier versions wrote."""


class Draw(StrEnum):
    """How a clip came into the queue."""

    RANDOM = "random"
    VALUE = "value"
    GOLD = "gold"


class AnswerState(StrEnum):
    """What a person did with a clip."""

    ANSWERED = "answered"
    SKIPPED = "skipped"
    DELETED = "deleted"


class Terms(Options):
    """What was agreed when a batch was opened; see `QueueOptions` for the meaning.

    Attributes:
        price: US dollars for one label by one person.
    """

    price: float
    redundancy: int
    gold_accuracy: float
    alpha: float


class Item(Options):
    """One clip of a batch.

    Attributes:
        clip_id: of the clip.
        draw: how it was chosen.
        gold: capability -> right label; empty where it is not known.
        task: as Label Studio gets it.
    """

    clip_id: str
    draw: Draw
    gold: Labels = Field(default_factory=dict)
    task: dict[str, Any]


class BatchOpened(Options):
    """A batch that was opened.

    Attributes:
        batch: its name.
        time: ISO 8601, UTC.
        place: where it went: a server's address, or `file`.
        terms: agreed.
        capabilities: that are asked about.
        items: its clips in order.
        actor: who opened it, as user@host; "": written by an earlier version.
    """

    event: Literal["opened"] = "opened"
    batch: str
    time: str
    place: str
    terms: Terms
    capabilities: dict[str, Capability]
    items: tuple[Item, ...]
    actor: str = ""


class BatchDecided(Options):
    """A person's decision on a batch, which overrules the gold clips.

    Attributes:
        batch: its name.
        time: ISO 8601, UTC.
        accepted: rather than sent back.
        reason: in words.
        actor: who decided, as user@host; "": written by an earlier version.
    """

    event: Literal["decided"] = "decided"
    batch: str
    time: str
    accepted: bool
    reason: str
    actor: str = ""


BatchEvent = Annotated[BatchOpened | BatchDecided, Field(discriminator="event")]


class PersonAnswer(Options):
    """What one person said about one clip; a later one with the same key replaces it.

    Attributes:
        batch: that the clip was sent in.
        clip_id: of the clip.
        annotation: its number in Label Studio.
        annotator: who.
        time: of the last change, ISO 8601.
        seconds: that it took; None when not told.
        state: answered, skipped or deleted.
        labels: capability -> label; empty unless answered.
    """

    batch: str
    clip_id: str
    annotation: int
    annotator: Annotated[str, AfterValidator(clean_name)]
    time: str
    seconds: float | None = None
    state: AnswerState = AnswerState.ANSWERED
    labels: Labels = Field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells this answer from others."""
        return (self.batch, self.clip_id, self.annotation)


def latest(answers: list[PersonAnswer]) -> dict[tuple[str, str, int], PersonAnswer]:
    """Keep what is now known of each answer."""
    return {answer.key: answer for answer in answers}


class RecordLog(Generic[Record]):
    """An append-only file of records, one JSON line each; where people share a database, a copy of what is there.

    Args:
        path: the file; it may be absent.
        kind: type of the records.
    """

    def __init__(self, path: Path, kind: Any) -> None:
        self._path = path
        address = shared_database()
        self._shared = SharedLines(address, path) if address else None
        self._adapter: TypeAdapter[Record] = TypeAdapter(kind)

    def read(self) -> list[Record]:
        """Read all records in order.

        Raises:
            StoreError: a line is damaged.
        """
        lines = self._shared.read() if self._shared else read_lines(self._path)
        return [self._parsed(number, line) for number, line in enumerate(lines, start=1)]

    def append(self, records: Iterable[Record]) -> None:
        """Add records and put them on the disk; without any, make sure that there is a file."""
        lines = (record.model_dump_json() for record in records)
        if self._shared:
            self._shared.append(lines)
        else:
            append_lines(self._path, lines)

    def _parsed(self, number: int, line: bytes) -> Record:
        try:
            return self._adapter.validate_json(line)
        except ValidationError as error:
            fault = error.errors()[0]
            raise StoreError(
                f"{self._path}, line {number} is damaged: {fault['msg']} at {fault['loc']}. It holds people's work: "
                "repair the line, or bring the file back with `dvc checkout`"
            ) from error


def batch_log(path: Path) -> RecordLog[Any]:
    """Open the log of batches and decisions on them."""
    return RecordLog(path, BatchEvent)


def answer_log(path: Path) -> RecordLog[PersonAnswer]:
    """Open the log of people's answers."""
    return RecordLog(path, PersonAnswer)
