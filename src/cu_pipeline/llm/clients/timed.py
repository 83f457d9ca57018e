"""Answers with the time that each took; a log of them, so that a re-run knows it too."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cu_pipeline.core.json_lines import append_lines, read_lines
from cu_pipeline.llm.clients.call_log import Call, CallLog
from cu_pipeline.llm.clients.dispatch import answer
from cu_pipeline.llm.clients.options import ClientOptions
from cu_pipeline.llm.clients.protocol import Answer, AnyQuestion, Client


@dataclass(frozen=True)
class TimedCall:
    """One question that was paid for.

    Attributes:
        call: key and answer.
        seconds: from asking to the answer, the loading of the model left out.
    """

    call: Call
    seconds: float


@dataclass(frozen=True)
class Known:
    """What was answered earlier.

    Attributes:
        answers: by key.
        seconds: that each took, by key.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)


class TimedLog:
    """Timed answers in two append-only files of JSON lines, `calls.jsonl` and `seconds.jsonl`.

    Args:
        folder: holds the files; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._calls, self._seconds = CallLog(folder / "calls.jsonl"), folder / "seconds.jsonl"

    def read(self) -> Known:
        """Give all that was answered.

        Raises:
            StoreError: a finished line is damaged.
        """
        return Known(self._calls.read(), dict(map(json.loads, read_lines(self._seconds))))

    def append(self, calls: Iterable[TimedCall]) -> None:
        """Add answers and put them on the disk."""
        new = list(calls)
        self._calls.append(one.call for one in new)
        append_lines(self._seconds, [json.dumps([one.call.key, round(one.seconds, 4)]) for one in new])


def answer_timed(
    blocks: Iterable[Iterable[AnyQuestion]], known: Mapping[str, Answer], options: ClientOptions
) -> Iterator[list[TimedCall]]:
    """Ask what is not known yet, one block of questions after the other, and take the time.

    Args:
        blocks: a prompt that occurs in two blocks is read by the model in each, so the times can be compared.
        known: earlier answers by key.
        options: which model.

    Yields:
        A few new answers.
    """
    seconds: dict[str, float] = {}
    questions = [_Timed(question, place, seconds) for place, block in enumerate(blocks) for question in block]
    for calls in answer(questions, known, options):  # type: ignore[arg-type]
        yield [TimedCall(call, seconds[call.key]) for call in calls]


@dataclass(frozen=True)
class _Timed:
    """A question that notes how long its answer takes."""

    question: AnyQuestion
    block: int
    seconds: dict[str, float]

    @property
    def prompt(self) -> str:
        """By which questions are put side by side."""
        return f"{self.block}\n{self.question.prompt}"

    def key(self, identity: str) -> str:
        return self.question.key(identity)

    def ask(self, client: Client) -> Answer:
        started = time.perf_counter()
        try:
            return self.question.ask(client)
        finally:
            self.seconds[self.question.key(client.identity)] = time.perf_counter() - started
