from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.core.errors import StoreError
from cu_pipeline.datasets.llm import CallLogDataset
from cu_pipeline.llm.clients.call_log import Call, CallLog
from cu_pipeline.llm.clients.protocol import Generated, Scored, Unanswered

ONE, TWO, THREE = (Call(name, Scored((-0.1 * place, -2.5), 30 + place)) for place, name in enumerate("abc"))


def test_answers_come_back_exactly(tmp_path: Path) -> None:
    log = CallLog(tmp_path / "deep" / "calls.jsonl")
    assert log.read() == {}
    log.append([ONE])
    log.append([TWO, THREE])
    assert log.read() == {call.key: call.answer for call in (ONE, TWO, THREE)}


def test_every_kind_of_answer_comes_back_and_so_do_lines_without_output_tokens(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    kinds = {"s": Scored((-0.5,), 7, 2), "g": Generated("ein „Wort“ ", 9, 3), "u": Unanswered("broken", 4, 1)}
    CallLog(path).append([Call(key, answer) for key, answer in kinds.items()])
    assert CallLog(path).read() == kinds
    path.write_text('{"key": "a", "logprobs": [-1.0, -2.0], "tokens": 5}\n')
    assert CallLog(path).read() == {"a": Scored((-1.0, -2.0), 5)}


def test_a_late_answer_is_billed_for_the_failures_before_it(tmp_path: Path) -> None:
    log = CallLog(tmp_path / "calls.jsonl")
    log.append([Call("k", Unanswered("broken", 40, 10)), Call("k", Unanswered("broken", 41, 11))])
    log.append([Call("k", Generated("pets", 30, 2))])
    assert log.read() == {"k": Generated("pets", 111, 23)}


def test_bytes_stay_when_nothing_is_added(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    log = CallLog(path)
    log.append([])
    assert path.read_bytes() == b""
    log.append([ONE])
    before = path.read_bytes()
    log.append([])
    log.read()
    assert path.read_bytes() == before


@given(st.integers(0, 200))
def test_a_crash_while_writing_costs_only_the_unfinished_answer(tmp_path_factory, cut: int) -> None:
    path = tmp_path_factory.mktemp("log") / "calls.jsonl"
    CallLog(path).append([ONE, TWO])
    whole = path.read_bytes()
    torn = whole[: min(cut, len(whole))]
    path.write_bytes(torn)
    finished = torn.count(b"\n")
    assert list(CallLog(path).read()) == ["a", "b"][:finished]
    CallLog(path).append([ONE, TWO][finished:])
    assert path.read_bytes() == whole


def test_a_damaged_line_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text("rubbish\n")
    with pytest.raises(StoreError, match=r"line 1 is damaged: .*dvc checkout"):
        CallLog(path).read()


def test_the_dataset_appends(tmp_path: Path) -> None:
    dataset = CallLogDataset(filepath=str(tmp_path / "calls.jsonl"))
    assert not dataset.exists()
    dataset.save([ONE])
    dataset.save([TWO])
    assert list(dataset.load()) == ["a", "b"]
