from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.core.errors import StoreError
from cu_pipeline.datasets.call_log import CallLogDataset
from cu_pipeline.prompting.call_log import Call, CallLog
from cu_pipeline.prompting.client import Scored

ONE, TWO, THREE = (Call(name, Scored((-0.1 * place, -2.5), 30 + place)) for place, name in enumerate("abc"))


def test_answers_come_back_exactly(tmp_path: Path) -> None:
    log = CallLog(tmp_path / "deep" / "calls.jsonl")
    assert log.read() == {}
    log.append([ONE])
    log.append([TWO, THREE])
    assert log.read() == {call.key: call.scored for call in (ONE, TWO, THREE)}


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
