"""What readers find, wherever it lies: in the database, in the spool, in files of earlier versions."""

import shutil
import sqlite3
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from tests.inference.prediction_log.made import NOON, ids, opened, record, write
from tests.inference.prediction_log.test_records import EARLIER

from cu_pipeline.inference.prediction_log import (
    encode_embedding,
    holds_records,
    read_feedback,
    read_log,
    read_shadows,
    scan_log,
)
from cu_pipeline.inference.prediction_log.purging import count_before, purge_before
from cu_pipeline.inference.prediction_log.traffic import distinct_clips

NAMES = ("topic", 'a "b".$[0]', "it's \\ 🎬")


def earlier(folder, day, *names):
    folder.mkdir(exist_ok=True)
    path = folder / f"{day}.jsonl"
    path.write_bytes(b"".join(EARLIER.replace(b'"old"', f'"{name}"'.encode()) for name in names))
    return path


@pytest.fixture(params=["spool", "database", "both"])
def kept(request, tmp_path):
    """Give a function that appends records, which lie in the spool then, in the database, or here and there."""
    log = opened(tmp_path)

    def keep(*records):
        for number, one in enumerate(records):
            log.append(one)
            if request.param == "database" or (request.param == "both" and number == 0):
                log.flush()
        return tmp_path

    yield keep
    log.close()


def test_an_absent_log_holds_no_record_and_is_not_made(tmp_path):
    assert read_log(tmp_path / "nowhere").records == []
    assert not holds_records(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_records_come_oldest_first(kept):
    late, first = record("late", NOON + timedelta(days=2)), record("first", NOON - timedelta(hours=1))
    folder = kept(record("b"), late, first, record("a"))
    assert ids(read_log(folder)) == ["first", "a", "b", "late"]


def test_filters_leave_out_older_records_other_models_and_replays(kept):
    old = record("old", NOON - timedelta(microseconds=1))
    folder = kept(record("replay", replay=True), old, record("other", version="v0"), record("wanted"))
    log = read_log(folder, versions={"topic": "v1"}, since=NOON)
    assert (ids(log), log.other, log.replays, log.invalid) == (["wanted"], 2, 1, 0)
    log = read_log(folder, versions={"topic": "v1"}, since=NOON, replays=True)
    assert (ids(log), log.other, log.replays) == (["replay", "wanted"], 2, 0)
    assert read_log(folder, versions={}).records == []
    assert holds_records(folder)


def test_every_model_must_be_the_one_that_is_asked_for(kept):
    both = dict.fromkeys(NAMES, "v1")
    folder = kept(
        record("both", versions=both), record("half", versions=both | {NAMES[1]: "v0"}), record("alone"), record("x")
    )
    log = read_log(folder, versions=both)
    assert (ids(log), log.other) == (["both"], 3)
    assert ids(read_log(folder, versions={NAMES[2]: "v1"})) == ["both", "half"]
    assert len(read_log(folder).records) == 4


def test_what_a_crash_left_in_the_spool_after_it_was_moved_counts_once(tmp_path):
    log = opened(tmp_path)
    for name in ("a", "b"):
        log.append(record(name))
    (segment,) = (tmp_path / "spool").glob("*.jsonl")
    shutil.copy(segment, tmp_path / "copy")
    log.close()
    shutil.copy(tmp_path / "copy", segment)
    log = read_log(tmp_path)
    assert (ids(log), log.other) == (["a", "b"], 0)
    write(tmp_path, record("c"))
    assert not segment.exists()
    assert ids(read_log(tmp_path)) == ["a", "b", "c"]


def test_a_scan_goes_on_while_lines_are_moved(tmp_path):
    log = opened(tmp_path)
    for number in range(20):
        log.append(record(f"r{number:02}", NOON + timedelta(seconds=number)))
    scan = iter(scan_log(tmp_path))
    first = next(scan)
    assert log.flush()
    assert [first.request_id, *[one.request_id for one in scan]] == [f"r{number:02}" for number in range(20)]
    log.close()


def test_damaged_lines_and_rows_are_counted_wherever_they_go(tmp_path):
    write(tmp_path, *(record(f"r{number}") for number in range(6)))
    with sqlite3.connect(tmp_path / "predictions.db") as database:
        for number, damage in enumerate(["versions='{'", "facts='[1]'", "time='noon'", "embedding=x'aa'", "labels=7"]):
            database.execute(f"UPDATE predictions SET {damage} WHERE request_id = 'r{number}'")
    database.close()
    log = read_log(tmp_path, versions={"topic": "v1"})
    assert (ids(log), log.invalid, log.other) == (["r5"], 5, 0)
    (tmp_path / "spool" / "20260304-1-dead.jsonl").write_bytes(b'\xff\n\n{"prediction":{"time')
    assert read_log(tmp_path).invalid == 7
    write(tmp_path)
    assert list((tmp_path / "spool").glob("*.jsonl")) == []
    assert read_log(tmp_path).invalid == 7


def test_files_of_earlier_versions_are_read_where_they_are_and_taken_in_once(tmp_path):
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    path = earlier(tmp_path, "2026-03-04", "a", "b")
    current = earlier(tmp_path, today, "c")
    with path.open("ab") as stream:
        stream.write(EARLIER[:40])
    before = read_log(tmp_path)
    assert (ids(before), before.invalid) == (["a", "b", "c"], 1)
    log = opened(tmp_path, flush_s=0.01)
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    while path.exists() and datetime.now(UTC) < deadline:
        pass
    log.close()
    assert (tmp_path / "imported" / path.name).is_file()
    assert current.is_file(), "a service of an earlier version may still append to it"
    after = read_log(tmp_path)
    assert (after.records, after.invalid) == (before.records, 1)
    shutil.copy(tmp_path / "imported" / path.name, path)
    assert ids(read_log(tmp_path)) == ["a", "b", "c"]


def test_records_are_removed_by_hand_with_the_files_of_their_days(tmp_path):
    earlier(tmp_path, "2026-03-03", "a")
    write(tmp_path, record("r1"), record("r2", NOON + timedelta(days=1)))
    limit = datetime(2026, 3, 5, tzinfo=UTC)
    assert count_before(tmp_path, limit) == 1
    assert purge_before(tmp_path, limit) == 1
    assert ids(read_log(tmp_path)) == ["r2"]
    assert (count_before(tmp_path / "nowhere", limit), purge_before(tmp_path / "nowhere", limit)) == (0, 0)


@pytest.mark.parametrize("read", [read_log, read_shadows, read_feedback])
def test_since_needs_a_time_zone(tmp_path, read):
    with pytest.raises(ValueError, match="no time zone"):
        read(tmp_path, since=datetime(2026, 3, 4))


def test_a_clip_that_is_sent_again_counts_once_with_its_latest_answer(tmp_path):
    write(
        tmp_path,
        record("late", NOON + timedelta(hours=2), labels={"topic": "dogs"}),
        record("early", NOON, labels={"topic": "cats"}),
        record("longer", NOON + timedelta(hours=1), facts={"duration_s": 9.0}),
        record("other", NOON - timedelta(hours=1), embedding=encode_embedding(np.array([0.5, -1.0, 4.0]))),
    )
    traffic = distinct_clips(scan_log(tmp_path), ["width", "duration_s"])
    assert traffic.requests == 4
    assert traffic.table["labels"].tolist() == ['{"topic": "cats"}', '{"topic": "cats"}', '{"topic": "dogs"}']
    assert traffic.table["duration_s"].tolist() == [2.5, 9.0, 2.5]
    assert [row[2] for row in traffic.table["embedding"]] == [4.0, 3.0, 3.0]
    about = traffic.about()
    assert (about["n"], about["requests"]) == (3, 4)
    assert (about["from"], about["to"]) == ("2026-03-04T11:00:00+00:00", "2026-03-04T14:00:00+00:00")
