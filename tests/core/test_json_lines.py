"""Append-only logs of JSON lines."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.json_lines import KeyedLog, append_lines, read_lines


@dataclass(frozen=True)
class Note:
    key: str
    text: str


class NoteLog(KeyedLog[Note]):
    remedy = "delete the file"

    @staticmethod
    def encode(record: Note) -> dict[str, Any]:
        return {"key": record.key, "text": record.text}

    @staticmethod
    def decode(line: dict[str, Any]) -> Note:
        return Note(line["key"], line["text"])


def test_the_last_record_with_a_key_counts_and_all_are_kept_in_order(tmp_path: Path) -> None:
    log = NoteLog(tmp_path / "a" / "log.jsonl")
    assert log.read() == {}
    log.append([Note("one", "é"), Note("two", "x")])
    log.append([Note("one", "later")])
    assert log.read() == {"one": Note("one", "later"), "two": Note("two", "x")}
    assert [note.text for note in log.records()] == ["é", "x", "later"]


@pytest.mark.parametrize("torn", [b'{"key": "b", "te', b'{"key": "b", "text": "whole"}', b"\xc3"])
def test_an_unfinished_line_does_not_count_and_spoils_no_later_one(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "log.jsonl"
    log = NoteLog(path)
    log.append([Note("a", "1")])
    with path.open("ab") as stream:
        stream.write(torn)
    assert list(log.read()) == ["a"]
    log.append([Note("c", "3")])
    assert list(log.read()) == ["a", "c"]
    assert [json.loads(line)["key"] for line in path.read_bytes().splitlines()] == ["a", "c"]


def test_a_file_of_one_unfinished_line_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"half")
    assert read_lines(path) == []
    append_lines(path, ["whole"])
    assert path.read_bytes() == b"whole\n"


def test_nothing_to_add_makes_an_empty_file_and_keeps_one_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "log"
    append_lines(path, [])
    assert path.read_bytes() == b""
    append_lines(path, ["one"])
    append_lines(path, [])
    assert read_lines(path) == [b"one"]


def test_lines_are_on_the_disk_when_adding_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, synced = tmp_path / "log", []
    monkeypatch.setattr("cu_pipeline.core.json_lines.os.fsync", lambda file: synced.append(os.fstat(file).st_size))
    append_lines(path, ["12345"])
    assert synced == [6]


@pytest.mark.parametrize("damaged", ["not JSON", '{"key": "b"}', "[]", "7", "null"])
def test_a_damaged_line_is_named_with_its_number_and_the_remedy(tmp_path: Path, damaged: str) -> None:
    log = NoteLog(tmp_path / "log.jsonl")
    log.append([Note("a", "1")])
    append_lines(tmp_path / "log.jsonl", [damaged, '{"key": "c", "text": "3"}'])
    with pytest.raises(StoreError, match=r"log\.jsonl line 2 is damaged: delete the file"):
        log.read()


class Notes(KeyedLog[Note]):
    remedy = "write it anew"

    @staticmethod
    def encode(record: Note) -> dict[str, str]:
        return asdict(record)

    @staticmethod
    def decode(line: dict[str, str]) -> Note:
        return Note(line["key"], line["text"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made on demand" / "notes.jsonl"


def test_records_come_back_in_order_and_the_last_of_a_key_counts(path: Path) -> None:
    log = Notes(path)
    assert (log.read(), list(log.records())) == ({}, [])
    log.append([Note("b", "first"), Note("a", "ü\n\u2028|"), Note("b", "second")])
    log.append([Note("c", "third")])
    assert [note.text for note in log.records()] == ["first", "ü\n\u2028|", "second", "third"]
    assert {key: note.text for key, note in log.read().items()} == {"b": "second", "a": "ü\n\u2028|", "c": "third"}


def test_no_records_make_an_empty_file_and_leave_one_as_it_is(path: Path) -> None:
    Notes(path).append([])
    assert path.read_bytes() == b""
    Notes(path).append([Note("a", "x")])
    before = path.read_bytes()
    Notes(path).append([])
    assert path.read_bytes() == before


@pytest.mark.parametrize("torn", [b"{", b'{"key": "t", "text": "whole but for its end"}'])
@pytest.mark.parametrize("whole", [0, 1, 2])
def test_a_line_without_its_end_does_not_count_and_is_cut_off(path: Path, torn: bytes, whole: int) -> None:
    log = Notes(path)
    notes = [Note(str(number), "x") for number in range(whole)]
    log.append(notes)
    with path.open("ab") as stream:
        stream.write(torn)
    assert list(log.records()) == notes
    log.append([Note("n", "next")])
    assert list(log.records()) == [*notes, Note("n", "next")]
    assert path.read_bytes().count(b"\n") == whole + 1


@pytest.mark.parametrize("damage", [b"{\n", b"[]\n", b'{"key": "a"}\n', b"\n", b"null\n"])
def test_a_finished_line_that_is_damaged_is_named_with_the_remedy(path: Path, damage: bytes) -> None:
    log = Notes(path)
    log.append([Note("a", "x")])
    path.write_bytes(path.read_bytes() + damage)
    with pytest.raises(StoreError, match=r"notes\.jsonl line 2 is damaged: write it anew"):
        log.read()


def test_lines_are_on_the_disk_when_they_count_as_added(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append(path.read_bytes()), fsync(handle)))
    append_lines(path, ["1"])
    append_lines(path, ["2", "3"])
    assert synced == [b"1\n", b"1\n2\n3\n"]
    assert [json.loads(line) for line in read_lines(path)] == [1, 2, 3]
