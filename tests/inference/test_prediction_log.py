import os
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from pydantic import ValidationError

from cu_pipeline.inference.prediction_log import (
    PredictionRecord,
    append,
    decode_embedding,
    distinct_clips,
    encode_embedding,
    read_log,
)

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def record(request_id="r1", time=NOON, version="v1", **other):
    values = {
        "time": time,
        "request_id": request_id,
        "labels": {"topic": "cats"},
        "probabilities": {"topic": {"cats": 0.75, "dogs": 0.25}},
        "versions": {"topic": version},
        "embedding": encode_embedding(np.array([0.5, -1.0, 3.0])),
        "facts": {"duration_s": 2.5, "codec": "h264", "width": None},
    }
    return PredictionRecord(**(values | other))


def _append_many(folder, writer):
    for number in range(50):
        append(folder, record(f"w{writer}-{number}", embedding=encode_embedding(np.full(1664, writer))))


def test_what_is_appended_is_read_back(tmp_path):
    append(tmp_path, record())
    (back,) = read_log(tmp_path).records
    assert back == record()
    assert back.vector().tolist() == [0.5, -1.0, 3.0]
    assert back.vector().dtype == np.float32


def test_a_record_goes_to_the_file_of_its_utc_day(tmp_path):
    append(tmp_path, record(time=datetime(2026, 3, 5, 1, tzinfo=timezone(timedelta(hours=2)))))
    assert [path.name for path in tmp_path.iterdir()] == ["2026-03-04.jsonl"]


def test_an_absent_folder_holds_no_record(tmp_path):
    assert read_log(tmp_path / "nowhere").records == []


def test_records_come_oldest_first(tmp_path):
    append(tmp_path, record("late", NOON + timedelta(days=2)))
    append(tmp_path, record("second", NOON))
    append(tmp_path, record("first", NOON - timedelta(hours=1)))
    assert [item.request_id for item in read_log(tmp_path).records] == ["first", "second", "late"]


def test_torn_and_invalid_lines_are_skipped_and_counted(tmp_path):
    append(tmp_path, record("a"))
    path = tmp_path / "2026-03-04.jsonl"
    whole = path.read_bytes()
    bad_embedding = whole.replace(record().embedding.encode(), b"AAA")
    with path.open("ab") as stream:
        stream.write(b"\xff\xfe\n" + b'{"time": 1}\n' + b"null\n" + bad_embedding + whole[:40])
    append(tmp_path, record("b"))
    log = read_log(tmp_path)
    assert [item.request_id for item in log.records] == ["a", "b"]
    assert log.invalid == 5


def test_filters_leave_out_older_records_and_other_models(tmp_path):
    append(tmp_path, record("old", NOON - timedelta(seconds=1)))
    append(tmp_path, record("other", version="v0"))
    append(tmp_path, record("wanted"))
    log = read_log(tmp_path, versions={"topic": "v1"}, since=NOON)
    assert [item.request_id for item in log.records] == ["wanted"]
    assert log.other == 2
    assert read_log(tmp_path, versions={}).records == []


def test_every_model_must_be_the_one_that_is_asked_for(tmp_path):
    append(tmp_path, record("both", versions={"topic": "v1", "safety": "s1"}))
    append(tmp_path, record("half", versions={"topic": "v1", "safety": "s0"}))
    append(tmp_path, record("alone"))
    log = read_log(tmp_path, versions={"topic": "v1", "safety": "s1"})
    assert ([item.request_id for item in log.records], log.other) == (["both"], 2)
    assert len(read_log(tmp_path, versions={"topic": "v1"}).records) == 3
    assert len(read_log(tmp_path).records) == 3


def test_a_clip_that_is_sent_again_counts_once_with_its_latest_answer(tmp_path):
    sent = [
        record("late", NOON + timedelta(hours=2), labels={"topic": "dogs"}),
        record("early", NOON, labels={"topic": "cats"}),
        record("longer", NOON + timedelta(hours=1), facts={"duration_s": 9.0}),
        record("other", NOON - timedelta(hours=1), embedding=encode_embedding(np.array([0.5, -1.0, 4.0]))),
    ]
    for one in sent:
        append(tmp_path, one)
    traffic = distinct_clips(read_log(tmp_path), ["width", "duration_s"])
    assert traffic.requests == 4
    assert traffic.table["labels"].tolist() == ['{"topic": "cats"}', '{"topic": "cats"}', '{"topic": "dogs"}']
    assert traffic.table["duration_s"].tolist() == [2.5, 9.0, 2.5]
    assert [row[2] for row in traffic.table["embedding"]] == [4.0, 3.0, 3.0]
    about = traffic.about()
    assert (about["n"], about["requests"]) == (3, 4)
    assert (about["from"], about["to"]) == ("2026-03-04T11:00:00+00:00", "2026-03-04T14:00:00+00:00")


def test_since_needs_a_time_zone(tmp_path):
    with pytest.raises(ValueError, match="no time zone"):
        read_log(tmp_path, since=datetime(2026, 3, 4))


def test_processes_append_side_by_side(tmp_path):
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(_append_many, [tmp_path] * 4, range(4)))
    log = read_log(tmp_path)
    assert log.invalid == 0
    assert len({item.request_id for item in log.records}) == 200


def test_a_short_write_is_an_error_and_spoils_only_its_own_record(tmp_path, monkeypatch):
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:25]))
        with pytest.raises(OSError, match="only 25 of"):
            append(tmp_path, record("lost"))
    append(tmp_path, record("next"))
    log = read_log(tmp_path)
    assert [item.request_id for item in log.records] == ["next"]
    assert log.invalid == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"probabilities": {"topic": {"cats": float("nan")}}},
        {"probabilities": {"topic": {"cats": 1.5}}},
        {"facts": {"duration_s": float("inf")}},
        {"time": datetime(2026, 3, 4)},
        {"surplus": 1},
    ],
)
def test_a_record_that_no_reader_could_use_cannot_be_made(bad):
    with pytest.raises(ValidationError):
        record(**bad)


def test_embeddings_beyond_half_precision_stay_finite():
    assert decode_embedding(encode_embedding(np.array([1e9, -1e9]))).tolist() == [65504.0, -65504.0]
