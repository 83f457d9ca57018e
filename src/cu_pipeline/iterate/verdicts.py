"""What people tell the loop: hold, release, approve, veto. An append-only file, so that a word counts at once."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from cu_pipeline.core.actor import actor
from cu_pipeline.core.checked import checked
from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.json_lines import append_lines, read_lines
from cu_pipeline.iterate.state import now


class Word(StrEnum):
    """What a person can say."""

    HOLD = "hold"
    RELEASE = "release"
    APPROVE = "approve"
    VETO = "veto"


@dataclass(frozen=True)
class Verdict:
    """A person's word.

    Attributes:
        word: that was said.
        iteration: that it is about; 0: the loop.
        by: who.
        time: ISO 8601, UTC.
        reason: why; "": not told.
    """

    word: Word
    iteration: int
    by: str
    time: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.by}, {self.time}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True)
class Standing:
    """What of people's words holds.

    Attributes:
        hold: nothing is done.
        approved: what the iteration trained may be promoted.
        vetoed: the iteration is to end; of approval and veto the last counts.
    """

    hold: Verdict | None = None
    approved: Verdict | None = None
    vetoed: Verdict | None = None

    @classmethod
    def of(cls, verdicts: Iterable[Verdict], iteration: int) -> Self:
        """Add up what was said, the last word of a kind counting.

        Args:
            verdicts: all, in order.
            iteration: its number.
        """
        hold = approved = vetoed = None
        for one in verdicts:
            if one.word in {Word.HOLD, Word.RELEASE}:
                hold = one if one.word is Word.HOLD else None
            elif one.iteration == iteration:
                approved = one if one.word is Word.APPROVE else None
                vetoed = one if one.word is Word.VETO else None
        return cls(hold, approved, vetoed)


class VerdictLog:
    """The file of people's words.

    Args:
        path: of it; it may be absent.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def say(self, word: Word, iteration: int, reason: str) -> Verdict:
        """Add a word of whom this process runs for."""
        said = Verdict(word, iteration, actor(), now(), reason)
        append_lines(self.path, [json.dumps(asdict(said), ensure_ascii=False)])
        return said

    def read(self) -> list[Verdict]:
        """Read all words, in order.

        Raises:
            StoreError: a line is damaged.
        """
        found = []
        for number, line in enumerate(read_lines(self.path), 1):
            try:
                found.append(checked(Verdict, json.loads(line)))
            except ValueError as error:
                raise StoreError(f"{self.path} line {number} is damaged ({error}). Remedy: delete that line") from error
        return found

    def standing(self, iteration: int) -> Standing:
        """What holds for an iteration."""
        return Standing.of(self.read(), iteration)
