from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from tests.inference.prediction_log.made import NOON, opened, record, write

from cu_pipeline.core.lean import TEXT
from cu_pipeline.inference.prediction_log import encode_embedding, read_latest, read_log, read_refusals, scan_log
from cu_pipeline.inference.prediction_log.minutes import MOST_REASONS, RefusedMinutes
from cu_pipeline.inference.prediction_log.reuploads import earlier_equals
from cu_pipeline.inference.prediction_log.traffic import distinct_clips

PARTS = {"frames@1a": 2, "captions@2b": 1}


def clip(name, minute, vector=(0.5, -1.0, 3.0), **other):
    told = {
        "media_sha256": f"m-{name}",
        "text_sha256": "t",
        "parts": PARTS,
        "embedding": encode_embedding(np.array(vector)),
    }
    facts = {
        "width": 64.0,
        "has_sound": 1.0,
        "text_length": 4.0,
        "language": "en",
        "client": "app/2",
        "decoder": "pyav",
    }
    return record(name, NOON + timedelta(minutes=minute), **({"facts": facts} | told | other))


def test_each_content_counts_once_and_its_other_answers_are_repeats(tmp_path):
    write(
        tmp_path,
        clip("a", 0, creator="Ann "),
        clip("b", 1, vector=(9, 9, 9), timings={"queue": 1.0, "score": 2.5}),
        clip("c", 2, media_sha256="m-a", creator="Bob"),
        record("d", NOON + timedelta(minutes=3), labels={"topic": "abstain"}),
    )
    traffic = distinct_clips(scan_log(tmp_path))
    table = traffic.table.set_index("request_id")
    assert table.index.tolist() == ["b", "c", "d"]
    assert table["group"].tolist() == ["content:m-b/t", "creator:Bob", table.loc["d", "group"]]
    assert table.loc["b", ["has_video", "has_caption", "has_sound", "latency_ms"]].tolist() == [1, 1, 1, 3.5]
    assert table.loc["d", ["has_video", "has_caption", "abstained"]].tolist() == [0, 0, '{"topic": true}']
    assert table["requests"].tolist() == [1, 2, 1]
    assert np.isnan(table.loc["d", "latency_ms"])
    assert np.isnan(table.loc["d", "has_sound"])
    assert table.loc["c", ["language", "client", "decoder"]].tolist() == ["en", "app/2", "pyav"]
    assert traffic.answers["request_id"].tolist() == ["a", "b", "c", "d"]
    assert traffic.answers["latency_ms"].tolist()[1] == 3.5
    (again,) = traffic.repeats.drop(columns="latency_ms").to_dict("records")
    assert again == {
        "time": NOON + timedelta(minutes=2),
        "request_id": "c",
        "group": "creator:Bob",
        "content": "m-a/t",
    }
    assert traffic.about() | {"from": 0, "to": 0} == {
        "n": 3, "units": 3, "requests": 4, "from": 0, "to": 0, "invalid_lines": 0, "other_records": 0, "replays": 0,
        "sampled_out": 0, "repeated": 1, "refused": 0,
    }  # fmt: skip


def test_embeddings_are_one_matrix_of_the_logs_bytes(tmp_path):
    write(tmp_path, *[clip(str(number), number, vector=(number, 0, 1)) for number in range(5)])
    traffic = distinct_clips(scan_log(tmp_path))
    found = traffic.embeddings(np.arange(5))
    assert found.dtype == np.float16
    assert found[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert all(np.shares_memory(row, found) for row in traffic.table["embedding"])
    assert traffic.parts == PARTS


def test_traffic_that_lies_on_the_disk_is_what_it_is_in_memory(tmp_path, monkeypatch):
    wider = [clip(f"w{number}", 20 + number, (8, 4, 5, number), parts={"motion@3c": 1, **PARTS}) for number in range(3)]
    again = [clip(f"z{number}", 40 + number, (number, 7, 7), media_sha256=f"m-{number}") for number in range(4)]
    write(tmp_path / "log", *[clip(str(number), number, (number, 0, 1)) for number in range(9)], *wider, *again)
    held = distinct_clips(scan_log(tmp_path / "log"))
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    monkeypatch.setattr("cu_pipeline.inference.prediction_log.vectors.HELD", 12)
    for module in ("inference.prediction_log.traffic", "core.spool", "core.batch_file", "core.lean"):
        monkeypatch.setattr(f"cu_pipeline.{module}.BATCH", 4)
    found = distinct_clips(scan_log(tmp_path / "log"))
    assert found.table["request_id"].dtype == TEXT
    assert [row.tolist() for row in found.table["embedding"]] == [row.tolist() for row in held.table["embedding"]]
    for told in ("table", "answers"):
        plain, lying = (getattr(one, told).drop(columns="embedding", errors="ignore") for one in (held, found))
        pd.testing.assert_frame_equal(lying.astype(plain.dtypes), plain)
    rows = np.array([6, 2, 3, len(held.table) - 1])
    assert found.embeddings(rows).tolist() == held.embeddings(rows).tolist()
    assert found.table.iloc[rows]["embedding"].iloc[0].tolist() == held.table["embedding"].iloc[6].tolist()
    assert (found.about(), found.near_repeats.tolist()) == (held.about(), held.near_repeats.tolist())


def test_of_clips_with_other_features_the_shared_parts_are_told(tmp_path):
    wider = clip("w", 1, vector=(8, 4, 5, 6), parts={"motion@3c": 1, **PARTS})
    write(tmp_path, clip("a", 0), wider)
    traffic = distinct_clips(scan_log(tmp_path))
    assert traffic.parts == PARTS
    assert traffic.embeddings(np.arange(2)).tolist() == [[0.5, -1, 3], [4, 5, 6]]
    assert [len(row) for row in traffic.table["embedding"]] == [3, 4]


def test_an_empty_log_is_no_traffic(tmp_path):
    traffic = distinct_clips(scan_log(tmp_path))
    assert (len(traffic.table), traffic.embeddings(np.arange(0)).shape, len(traffic.near_repeats)) == (0, (0, 0), 0)
    assert {"has_sound", "latency_ms", "client", "embedding"} <= set(traffic.table.columns)


def test_files_that_show_the_same_are_found_among_many():
    rng = np.random.default_rng(3)
    kinds = rng.normal(size=(6, 300)) * 3
    clips = kinds[rng.integers(6, size=3000)] + rng.normal(size=(3000, 300))
    copies = rng.choice(2000, 200, replace=False)
    places = 2500 + np.arange(200)
    clips[places] = clips[copies] + rng.normal(size=(200, 300)) * 0.02
    found = earlier_equals(clips.astype(np.float16))
    assert (found[places] == copies).mean() >= 0.97
    assert (np.delete(found, places) >= 0).sum() == 0


def test_a_video_uploaded_again_names_the_first(tmp_path):
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(8, 3)) * 5
    vectors[6] = vectors[2] + 0.001
    vectors[7] = vectors[3]
    records = [clip(str(number), number, vector=vector) for number, vector in enumerate(vectors[:7])]
    texts = {"media_sha256": "", "text_sha256": "other", "facts": {}}
    write(tmp_path, *records, clip("7", 7, vector=vectors[7], **texts))
    assert distinct_clips(scan_log(tmp_path)).near_repeats.tolist() == [*[""] * 6, "2", ""]


def test_the_language_of_a_caption_is_kept_though_the_caption_is_not(tmp_path):
    words = "Ich habe heute gelernt, wie man eine gute Suppe kocht"
    write(tmp_path, clip("a", 0, caption=words, facts={}), clip("b", 1, caption=words, facts={"language": "fr"}))
    found = read_log(tmp_path).records
    assert [(one.facts["language"], one.caption) for one in found] == [("de", None), ("fr", None)]


def test_refusals_are_counted_by_minute_and_reason_and_read_back(tmp_path):
    log = opened(tmp_path)
    for reason in ("unreadable", "unreadable", "too_long"):
        log.refused(reason)
    log.close()
    write(tmp_path, record())
    refusals = read_refusals(tmp_path)
    assert sum(one.requests for one in refusals) == 3
    assert {one.reason for one in refusals} == {"unreadable", "too_long"}
    traffic = distinct_clips(scan_log(tmp_path), refusals=refusals)
    assert (traffic.requests, traffic.about()["refused"]) == (1, 3)


def test_a_minute_of_refusals_is_few_records():
    minutes = RefusedMinutes()
    start = datetime(2026, 3, 4, 12, 5, 59, tzinfo=UTC)
    assert [minutes.count(f"r{number}", start) for number in range(MOST_REASONS + 5)] == [[]] * (MOST_REASONS + 5)
    over = {one.reason: one for one in minutes.count("next", start + timedelta(seconds=2))}
    assert len(over) == MOST_REASONS + 1
    assert (over["other"].requests, over["r0"].time) == (5, start.replace(second=0))
    assert [one.reason for one in minutes.end()] == ["next"]
    assert minutes.end() == []


@pytest.mark.parametrize("moved", [True, False])
def test_the_latest_answers_are_read_whoever_gave_them(tmp_path, moved):
    log = opened(tmp_path)
    for number in range(6):
        log.append(
            record(f"r{number}", NOON + timedelta(minutes=number), version=f"v{number // 4}", replay=number == 5)
        )
    if moved:
        log.close()
    assert [(one.request_id, one.versions["topic"]) for one in read_latest(tmp_path, 2)] == [("r3", "v0"), ("r4", "v1")]
    log.close()
