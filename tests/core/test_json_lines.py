"""Append-only logs of JSON lines."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.json_lines import KeyedLog, append_lines, read_lines


@dataclass(frozen=True)
class Note:
    key: str
    text: str


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


@pytest.mark.parametrize("torn", [b"{", b"\xc3", b'{"key": "t", "text": "whole but for its end"}'])
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


@pytest.mark.parametrize("damage", [b"{\n", b"not JSON\n", b"[]\n", b"7\n", b'{"key": "a"}\n', b"\n", b"null\n"])
def test_a_finished_line_that_is_damaged_is_named_with_the_remedy(path: Path, damage: bytes) -> None:
    log = Notes(path)
    log.append([Note("a", "x")])
    path.write_bytes(path.read_bytes() + damage)
    with pytest.raises(StoreError, match=r"notes\.jsonl line 2 is damaged \(.*\): write it anew"):
        log.read()


def test_lines_are_on_the_disk_when_they_count_as_added(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append(path.read_bytes()), fsync(handle)))
    append_lines(path, ["1"])
    append_lines(path, ["2", "3"])
    assert synced == [b"1\n", b"1\n2\n3\n"]
    assert [json.loads(line) for line in read_lines(path)] == [1, 2, 3]
