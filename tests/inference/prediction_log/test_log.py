"""What is kept of an answer, and what happens when it cannot be."""

import logging
import resource
import shutil
import sqlite3
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from tests.inference.prediction_log.made import KEPT_FOR_EVER, NOON, feedback, ids, opened, record, shadow, write

from cu_pipeline.core.errors import ConfigurationError, StoreError
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.inference.prediction_log import holds_records, mover, read_feedback, read_log, read_shadows, schema
from cu_pipeline.inference.prediction_log.place import SPOOL_VARIABLE


def rows(folder, table):
    with closing(sqlite3.connect(folder / "predictions.db")) as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()


def segments(folder):
    return sorted((folder / "spool").glob("*.jsonl"))


def test_an_answer_is_on_the_disk_at_once_and_in_the_database_after_a_move(tmp_path):
    log = opened(tmp_path)
    assert log.append(record())
    assert len(segments(tmp_path)) == 1
    assert read_log(tmp_path).records == [record()]
    assert log.flush()
    assert segments(tmp_path) == []
    assert len(rows(tmp_path, "predictions")) == 1
    assert read_log(tmp_path).records == [record()]
    log.close()


def test_lines_are_moved_by_themselves(tmp_path):
    log = opened(tmp_path, flush_s=0.01)
    for number in range(3):
        log.append(record(f"r{number}"))
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    while segments(tmp_path) and datetime.now(UTC) < deadline:
        pass
    assert len(rows(tmp_path, "predictions")) == 3
    log.close()


def test_all_kinds_of_records_are_kept_once_by_their_keys(tmp_path):
    said = feedback()
    write(tmp_path, record(), shadow(), said)
    write(tmp_path, record(labels={"topic": "dogs"}), shadow(ms=9.0), said, shadow(capability="safety"), feedback())
    assert [one.labels for one in read_log(tmp_path).records] == [{"topic": "cats"}]
    assert [(one.capability, one.ms) for one in read_shadows(tmp_path)] == [("topic", 3.5), ("safety", 3.5)]
    assert len(read_feedback(tmp_path)) == 2
    assert read_feedback(tmp_path, since=NOON + timedelta(seconds=1)) == []


@pytest.mark.parametrize(
    ("captions", "kept"), [("drop", None), ("hash", text_sha256("a secret")), ("keep", "a secret")]
)
def test_captions_are_kept_as_the_setting_says(tmp_path, captions, kept):
    write(tmp_path, record(caption="a secret"), captions=captions)
    assert read_log(tmp_path).records[0].caption == kept
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert (b"a secret" in stored) == (captions == "keep")


def test_a_sample_is_chosen_by_the_request_and_the_others_are_counted_and_known(tmp_path):
    names = [f"r{number}" for number in range(400)]
    write(tmp_path / "a", *map(record, names), shadow("r1"), feedback("r1"), sample=0.25)
    write(tmp_path / "b", *map(record, reversed(names)), sample=0.5)
    quarter, half = read_log(tmp_path / "a"), read_log(tmp_path / "b")
    assert 70 < len(quarter.records) < 130
    assert set(ids(quarter)) < set(ids(half))
    assert quarter.skipped == 400 - len(quarter.records)
    assert (len(read_shadows(tmp_path / "a")), len(read_feedback(tmp_path / "a"))) == (1, 1)
    log = opened(tmp_path / "a")
    assert all(log.knows(name) for name in names)
    log.close()
    write(tmp_path / "c", record(), sample=0)
    assert holds_records(tmp_path / "c")


def test_a_request_that_another_process_answered_is_known_before_and_after_it_is_moved(tmp_path):
    one, other = opened(tmp_path), opened(tmp_path)
    one.append(record("r1"))
    one.append(shadow("r2"))
    assert [other.knows(name) for name in ("r1", "r2", "r")] == [True, False, False]
    one.close()
    assert [other.knows(name) for name in ("r1", "r2", "r")] == [True, False, False]
    other.close()


@contextmanager
def no_space(at_most=300):
    """Let the system refuse to write files of this process beyond a size, as a quota that is used up does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at_most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_on_a_full_disk_requests_go_on_and_losses_are_counted_and_told_once(tmp_path, caplog):
    failures = []
    log = opened(tmp_path, lambda: failures.append(1))
    assert log.append(record("before"))
    with no_space():
        kept = [log.append(record(f"r{number}")) for number in range(5)]
    assert log.append(record("after"))
    log.close()
    assert (kept, len(failures)) == ([False] * 5, 5)
    found = read_log(tmp_path)
    assert (ids(found), found.invalid) == (["after", "before"], 0)
    told = [one.message for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(told) == 2
    assert "not kept in the prediction log" in told[0]
    assert "kept in the prediction log again" in told[1]


def test_a_spool_that_has_reached_its_size_keeps_what_it_has(tmp_path, monkeypatch):
    failures = []
    (tmp_path / "predictions.db").write_text("no database " * 99)
    log = opened(tmp_path, lambda: failures.append(1), spool_bytes=2000)
    kept = [log.append(record(f"r{number}")) for number in range(9)]
    assert sum(kept) + len(failures) == 9
    assert kept == sorted(kept, reverse=True)
    assert 0 < sum(path.stat().st_size for path in segments(tmp_path)) <= 2000
    log.close()


def test_a_damaged_database_costs_no_answer_and_readers_say_what_to_do(tmp_path, caplog):
    (tmp_path / "predictions.db").write_text("no database " * 99)
    log = opened(tmp_path)
    assert log.append(record())
    assert not log.flush()
    assert not log.flush()
    assert caplog.text.count("cannot be used") == 1
    with pytest.raises(StoreError, match=r"file is not a database.*put it aside"):
        read_log(tmp_path)
    with pytest.raises(StoreError, match="try again later"):
        log.knows("r9")
    (tmp_path / "predictions.db").rename(tmp_path / "aside")
    log.close()
    write(tmp_path)
    assert ids(read_log(tmp_path)) == ["r1"]


def test_a_log_that_people_remove_begins_anew(tmp_path):
    log = opened(tmp_path / "log")
    for number in range(6):
        assert log.append(record(f"r{number}"))
        if number % 2:
            assert log.flush()
        if number == 3:
            shutil.rmtree(tmp_path / "log")
    log.append(record("waits"))
    shutil.rmtree(tmp_path / "log" / "spool")
    assert log.flush()
    assert ids(read_log(tmp_path / "log")) == ["r4", "r5", "waits"]
    log.close()


def test_logs_that_share_a_folder_for_spools_do_not_take_each_others_lines(tmp_path, monkeypatch):
    monkeypatch.setenv(SPOOL_VARIABLE, str(tmp_path / "spools"))
    one = opened(tmp_path / "a")
    one.append(record())
    one._spool.close()  # as when it is killed
    write(tmp_path / "b")
    assert read_log(tmp_path / "b").records == []
    assert ids(read_log(tmp_path / "a")) == ["r1"]
    assert not (tmp_path / "a" / "spool").exists()
    one.close()


def test_old_records_go_a_bounded_part_at_a_time(tmp_path, monkeypatch):
    now = datetime.now(UTC)
    old = [record(f"old{number}", now - timedelta(days=91)) for number in range(25)]
    write(
        tmp_path,
        *old,
        shadow("s", now - timedelta(days=91)),
        feedback("f", now - timedelta(days=91)),
        record("new", now),
    )
    monkeypatch.setattr(mover, "PURGE_ROWS", 10)
    size = (tmp_path / "predictions.db").stat().st_size
    log = opened(tmp_path, flush_s=0.01, retention_days=90)
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    while len(rows(tmp_path, "predictions")) > 1 and datetime.now(UTC) < deadline:
        pass
    log.close()
    assert ids(read_log(tmp_path)) == ["new"]
    assert (read_shadows(tmp_path), read_feedback(tmp_path)) == ([], [])
    assert (tmp_path / "predictions.db").stat().st_size <= size
    assert b"old3" not in (tmp_path / "predictions.db").read_bytes()


def test_what_cannot_be_removed_is_said_once_and_stops_nothing_else(tmp_path, caplog):
    (tmp_path / "2020-01-01.jsonl").mkdir(parents=True)  # which no unlink removes
    log = opened(tmp_path, flush_s=0.01, retention_days=90)
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    while "stay for now" not in caplog.text and datetime.now(UTC) < deadline:
        pass
    log.append(record(time=datetime.now(UTC)))
    while not rows(tmp_path, "predictions") and datetime.now(UTC) < deadline:
        pass
    log.close()
    assert caplog.text.count("stay for now") == 1
    assert "cannot be used" not in caplog.text


def test_tables_of_a_later_version_are_refused_and_earlier_ones_brought_up_to_date(tmp_path, monkeypatch):
    write(tmp_path, record())
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, _rename_topic])
        patch.setattr("cu_pipeline.inference.prediction_log.database.MIGRATIONS", schema.MIGRATIONS)
        write(tmp_path, record("r2"))
        assert rows(tmp_path, "schema_version") == [(3,)]
        assert [one.labels for one in read_log(tmp_path).records] == [{"topic": "lions"}, {"topic": "cats"}]
    for use in (opened, read_log):
        with pytest.raises(StoreError, match=r"version 3, and this version of cu-pipeline knows 2\. Remedy"):
            use(tmp_path)


def _rename_topic(connection):
    connection.exec_driver_sql("""UPDATE predictions SET labels = '{"topic": "lions"}'""")


def test_where_no_log_can_be_the_service_does_not_start(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot be made.*CU_PIPELINE_PREDICTION_LOG"):
        opened(tmp_path / "file")
    for place, words in {
        "mysql://a:secret@b/c": "mysql is not supported; give a folder",
        "postgresql://a:secret@b:port/c": "no database URL",
        "postgresql://a:{ABSENT}@b/c": "export ABSENT=",
    }.items():
        with pytest.raises(ConfigurationError, match=words) as raised:
            opened(place)
        assert "secret" not in str(raised.value)


@pytest.mark.parametrize("bad", [{"retention_days": 0}, {"sample": 1.5}, {"captions": "maybe"}, {"spare": 1}])
def test_options_that_cannot_be_are_refused(tmp_path, bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        opened(tmp_path, **({"retention_days": KEPT_FOR_EVER} | bad))
