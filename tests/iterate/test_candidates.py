from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.records import SPLITS, Split, table
from cu_pipeline.inference.prediction_log.records import PredictionRecord, encode_embedding
from cu_pipeline.ingest.capture_store import Captured
from cu_pipeline.iterate.candidates import (
    LogReader,
    Place,
    candidates,
    capture_store,
    clip_names,
    content_of,
    doubt,
    forecast,
    newest,
    still_there,
)
from cu_pipeline.iterate.finding import FoundCause
from cu_pipeline.iterate.options import IterateOptions
from cu_pipeline.splitting.options import SplitOptions
from cu_pipeline.splitting.placements import division

KINDS = {"topic": Kind.SINGLE, "safety": Kind.MULTI}
DIVIDED = SplitOptions(train=0.7, validation=0.15, test=0.15, salt="17")
NOW = datetime(2026, 3, 4, 5, tzinfo=UTC)


def captured(number: int, creator: str = "ann", request: str = "") -> Captured:
    return Captured(
        request_id=request or f"r{number}",
        time=NOW,
        clip_id=f"c{number}",
        content=f"content{number}".ljust(64, "0"),
        media=Path(f"m{number}.mp4"),
        media_sha256=f"m{number}",
        bytes=9,
        caption="a caption",
        facts={"creator": creator} if creator else {},
    )


def record(number: int, chance: float = 0.5, vector: tuple[float, ...] = (3.0, 4.0), **parts: int) -> PredictionRecord:
    return PredictionRecord(
        time=NOW,
        request_id=f"r{number}",
        labels={},
        probabilities={"topic": {"a": chance, "b": 1 - chance}},
        versions={},
        embedding=encode_embedding(np.array(vector)),
        parts=parts or {"frames": 2},
        facts={},
        media_sha256=f"m{number}",
        text_sha256=f"t{number}",
    )


def seen(*records: PredictionRecord, causes: tuple[FoundCause, ...] = ()):
    reader = LogReader.of([f"r{number}" for number in range(9)], KINDS, causes)
    for one in records:
        reader.add(one)
    return reader.found


def in_training(one: Captured) -> Place:
    return Place(f"creator:{one.facts['creator']}", Split.TRAIN, known=one.facts["creator"] == "ann")


@pytest.mark.parametrize(
    ("probabilities", "doubted"),
    [
        ({"topic": {"a": 0.5, "b": 0.5}}, 1.0),
        ({"topic": {"a": 1.0, "b": 0.0}}, 0.0),
        ({"safety": {"x": 0.5, "y": 1.0}}, 1.0),
        ({"topic": {"a": 1.0, "b": 0.0}, "safety": {"x": 0.5}}, 0.5),
        ({}, 1.0),
    ],
)
def test_doubt_is_the_mean_entropy_of_the_answers(probabilities: dict, doubted: float) -> None:
    assert doubt(probabilities, KINDS) == pytest.approx(doubted)


def test_what_the_service_saw_is_as_doubtful_as_its_answer_and_what_the_log_forgot_as_can_be() -> None:
    found, mine = candidates(map(captured, range(3)), seen(record(0), record(1, 1.0)), set(), in_training, {})
    assert [one.clip_id for one in mine] == ["c0", "c1", "c2"]
    assert found.table["clip_id"].tolist() == [one.content for one in mine]
    assert found.table["uncertainty"].tolist() == [1.0, 0.0, 1.0]
    assert np.linalg.norm(found.vectors, axis=1).tolist() == pytest.approx([1, 1, 0])


def test_what_is_in_the_data_is_no_candidate() -> None:
    found, mine = candidates(
        map(captured, range(3)), seen(record(0), record(1)), {content_of(captured(1))}, in_training, {}
    )
    assert (len(found), [one.clip_id for one in mine]) == (2, ["c0", "c2"])


def test_the_clips_that_causes_name_are_the_drifted_region() -> None:
    named = FoundCause("new_style", "", request_ids=("r1",))
    broken = FoundCause("upstream_fault", "", request_ids=("r0",), trains=False)
    told, two = seen(record(0), record(1), causes=(named, broken)), map(captured, range(2))
    assert candidates(two, told, set(), in_training, {})[0].table["drifted"].tolist() == [
        False,
        True,
    ]
    assert candidates([captured(0)], seen(record(0)), set(), in_training, {})[0].table["drifted"].all(), "none is named"


def test_other_makes_of_embeddings_are_far_from_all() -> None:
    odd = record(2, vector=(1.0, 0.0, 0.0), captions=3)
    found, _ = candidates(map(captured, range(3)), seen(record(0), record(1), odd), set(), in_training, {})
    assert found.vectors.shape == (3, 2)
    assert not found.vectors[2].any()


def test_each_content_counts_once_by_its_latest_request() -> None:
    requests = [captured(0), captured(1), captured(2), captured(0, request="again")]
    assert [one.request_id for one in newest(requests)] == ["r1", "r2", "again"]


def test_a_clip_goes_where_its_creator_is_and_one_without_by_a_hash() -> None:
    entry = {"key": "creator:ann", "division": division(DIVIDED), "split": "validation", "since": 1, "tested": False}
    place = forecast(table([entry], SPLITS), DIVIDED)
    assert place(captured(0, " ann ")) == Place("creator:ann", Split.VALIDATION, known=True)
    alone = [place(captured(number, "")) for number in range(400)]
    assert 0.1 < [one.split for one in alone].count(Split.TEST) / 400 < 0.2
    assert not any(one.known for one in alone)


def test_a_name_that_a_feed_uses_is_made_longer() -> None:
    names = clip_names([captured(0), captured(1)], {"c1"})
    assert list(names.values()) == ["c0", "c1-content100000000"]


def test_a_feed_that_is_no_capture_is_refused() -> None:
    assert capture_store("capture:/srv/kept").folder == Path("/srv/kept")
    for feed in ("sample", "capture:", "captured", "capture/there"):
        with pytest.raises(ValidationError, match="allowed are capture, the project's own, and capture:FOLDER"):
            IterateOptions(capture=feed)


def test_a_clip_whose_file_has_gone_cannot_be_chosen(tmp_path) -> None:
    (tmp_path / "m2.mp4").write_bytes(b"x")
    gone, there = (replace(captured(number), media=tmp_path / f"m{number}.mp4") for number in (1, 2))
    text = replace(captured(3), media=None, media_sha256="")
    assert still_there([gone, there, text]) == [there, text]
