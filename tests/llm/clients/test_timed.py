import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from cu_pipeline.llm.clients.call_log import Call, Known, TimedCall, TimedLog
from cu_pipeline.llm.clients.dispatch import CLIENTS, ClientKind, ask_timed
from cu_pipeline.llm.clients.options import ClientOptions
from cu_pipeline.llm.clients.protocol import Generated, Scored, ScoringQuestion, WritingQuestion

CALLS = [
    TimedCall(Call("one", Scored((-1.0, -2.0), 7)), 0.25),
    TimedCall(Call("two", Generated("pets", 9, 2)), 1.5),
]


class _Slow:
    identity = "slow@1"
    concurrency = 1
    asked: list[str]

    def score(self, prompt: str, continuations: Sequence[str], *, shared: str = "") -> Scored:
        self.asked.append(f"score {prompt}")
        time.sleep(0.02)
        return Scored((0.0,), 1)

    def generate(self, prompt: str, **_: object) -> Generated:
        self.asked.append(f"write {prompt}")
        return Generated("x", 1)

    def close(self) -> None:
        """Hold nothing."""


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> _Slow:
    client = _Slow()
    client.asked = []
    monkeypatch.setitem(CLIENTS, "packaged", ClientKind(lambda _: _Slow.identity, lambda _: client))
    return client


def test_the_log_gives_back_answers_and_times(tmp_path: Path) -> None:
    log = TimedLog(tmp_path / "log")
    assert log.read() == Known({}, {})
    log.append(CALLS[:1])
    log.append([])
    log.append(CALLS[1:])
    assert log.read() == Known({one.call.key: one.call.answer for one in CALLS}, {"one": 0.25, "two": 1.5})


def test_an_unfinished_line_costs_only_itself(tmp_path: Path) -> None:
    TimedLog(tmp_path).append(CALLS)
    for name in ("calls.jsonl", "seconds.jsonl"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-3])
    known = TimedLog(tmp_path).read()
    assert (list(known.answers), list(known.seconds)) == (["one"], ["one"])


def test_each_block_reads_its_prompts_anew(slow: _Slow) -> None:
    prompts = ["a", "b"]
    blocks = [[WritingQuestion(one, 4) for one in prompts], [ScoringQuestion(one, (" x",)) for one in prompts]]
    calls = [one for some in ask_timed(blocks, {}, ClientOptions()) for one in some]
    assert slow.asked == ["write a", "write b", "score a", "score b"]
    assert [one.seconds >= 0.02 for one in calls] == [False, False, True, True]


def test_what_is_known_is_not_asked(slow: _Slow) -> None:
    question = ScoringQuestion("a", (" x",))
    assert list(ask_timed([[question]], {question.key("slow@1"): Scored((0.0,), 1)}, ClientOptions())) == []
    assert slow.asked == []
