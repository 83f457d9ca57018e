"""Logs of what a language model answered: nothing that was paid for is asked again."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.json_lines import append_lines, read_lines
from cu_pipeline.llm.clients.protocol import Answer, Generated, Scored, Unanswered


@dataclass(frozen=True)
class Purpose:
    """For which label a question was asked, and what it cost.

    Attributes:
        capability: its name.
        model: name of the annotator.
        version: of its answers.
        clip_id: of the clip; "" for a caption that says nothing.
        usd: US dollars for this call, at the prices of its day.
    """

    capability: str
    model: str
    version: str
    clip_id: str
    usd: float


@dataclass(frozen=True)
class Call:
    """One question that was paid for.

    Attributes:
        key: content key of model and question.
        answer: what came back.
        purpose: for which label, where labels are bought.
    """

    key: str
    answer: Answer
    purpose: Purpose | None = None


@dataclass(frozen=True)
class Payment:
    """One line of a log of calls, as the ledger takes it.

    Attributes:
        key: of the line: the call's, and how often it was made before.
        purpose: for which label, and the price.
        tokens: in and out.
        answered: whether an answer came back.
    """

    key: str
    purpose: Purpose
    tokens: int
    answered: bool


_PURPOSE: Final = "paid_for"

KINDS: Final[dict[str, type[Answer]]] = {"logprobs": Scored, "text": Generated, "reason": Unanswered}
"""The field by which the kind of a line's answer is known -> the kind."""


class CallLog:
    """All that was ever paid for: an append-only file of JSON lines.

    A line that a crash left unfinished is ignored and cut off by the next `append`. When nothing is
    added, the bytes stay as they are.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Answer]:
        """Read the last answer by key, billed for what was paid for earlier ones too.

        Raises:
            StoreError: a finished line is not an answer.
        """
        answers: dict[str, Answer] = {}
        for call in self._calls():
            answers[call.key] = _with_bill_of(answers.get(call.key), call.answer)
        return answers

    def payments(self) -> list[Payment]:
        """List what was paid for labels, each call on its own; lines of earlier versions do not tell it.

        Raises:
            StoreError: a finished line is not an answer.
        """
        made: Counter[str] = Counter()
        found = []
        for call in self._calls():
            if call.purpose:
                key = f"{call.key}-{made[call.key]}"
                found.append(Payment(key, call.purpose, call.answer.tokens, not isinstance(call.answer, Unanswered)))
            made[call.key] += 1
        return found

    def append(self, calls: Iterable[Call]) -> None:
        """Add answers and put them on the disk; no calls make an empty file."""
        append_lines(self._path, [json.dumps(_record(call)) for call in calls])

    def _calls(self) -> Iterator[Call]:
        for number, line in enumerate(read_lines(self._path), 1):
            yield self._parse(number, line)

    def _parse(self, number: int, line: bytes) -> Call:
        try:
            record = json.loads(line)
            key, purpose = record.pop("key"), record.pop(_PURPOSE, None)
            return Call(key, _answer(record), purpose and Purpose(**purpose))
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
            raise StoreError(
                f"{self._path} line {number} is damaged: delete the line, which costs one call, or get the file "
                "back with `dvc checkout`"
            ) from error


def _record(call: Call) -> dict[str, Any]:
    paid = {_PURPOSE: asdict(call.purpose)} if call.purpose else {}
    return {"key": call.key, **asdict(call.answer), **paid}


def _answer(record: dict[str, Any]) -> Answer:
    kind = next(kind for field, kind in KINDS.items() if field in record)
    if kind is Scored:
        record["logprobs"] = tuple(record["logprobs"])
    return kind(**record)


def _with_bill_of(earlier: Answer | None, answer: Answer) -> Answer:
    if earlier is None:
        return answer
    return replace(
        answer,
        tokens=answer.tokens + earlier.tokens,
        output_tokens=answer.output_tokens + earlier.output_tokens,
    )


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
        """Read all that was answered.

        Raises:
            StoreError: a finished line is damaged.
        """
        return Known(self._calls.read(), dict(map(json.loads, read_lines(self._seconds))))

    def append(self, calls: Iterable[TimedCall]) -> None:
        """Add answers and put them on the disk."""
        new = list(calls)
        self._calls.append(one.call for one in new)
        append_lines(self._seconds, [json.dumps([one.call.key, round(one.seconds, 4)]) for one in new])
