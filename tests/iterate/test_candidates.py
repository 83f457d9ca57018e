from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.records import ANNOTATIONS, table
from cu_pipeline.inference.prediction_log.records import PredictionRecord, encode_embedding
from cu_pipeline.iterate.candidates import LogReader, candidates, doubt
from cu_pipeline.iterate.drift_told import ToldCause

KINDS = {"topic": Kind.SINGLE, "safety": Kind.MULTI}


def record(number: int, chance: float = 0.5, vector: tuple[float, ...] = (3.0, 4.0), **parts: int) -> PredictionRecord:
    return PredictionRecord(
        time=datetime(2026, 3, 4, 5, number, tzinfo=UTC),
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


def clips(number: int = 4, feed: str = "capture") -> pd.DataFrame:
    rows = [
        {"clip_id": f"c{place}", "media_sha256": f"m{place}", "text_sha256": f"t{place}", "group": f"creator:{place}"}
        | {"split": "train", "feed": feed, "posted_at": f"2026-03-04T05:0{place}:00Z"}
        for place in range(number)
    ]
    return pd.DataFrame(rows)


def annotated(*clip_ids: str) -> pd.DataFrame:
    rows = [
        {"clip_id": name, "capability": "topic", "annotator": "ann", "kind": "human", "label": "a"} for name in clip_ids
    ]
    return table([row | {"price": 0.0, "version": "", "draw": ""} for row in rows], ANNOTATIONS)


def seen(*records: PredictionRecord, causes: tuple[ToldCause, ...] = ()):
    reader = LogReader.of(KINDS, causes)
    for one in records:
        reader.add(one)
    return reader.found


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


def test_what_the_service_saw_is_found_by_its_content() -> None:
    found = candidates(clips(), annotated(), seen(record(0), record(1, 1.0)), 10)
    assert found.table["clip_id"].tolist() == ["c0", "c1", "c2", "c3"]
    assert found.table["uncertainty"].tolist() == [1.0, 0.0, 1.0, 1.0]
    assert np.linalg.norm(found.vectors, axis=1).tolist() == pytest.approx([1, 1, 0, 0])


def test_people_are_not_asked_what_they_said_and_other_feeds_are_left_alone() -> None:
    others = pd.concat([clips(), clips(3, "sample").assign(clip_id=["s0", "s1", "s2"])])
    assert candidates(others, annotated("c1"), {}, 10).table["clip_id"].tolist() == ["c0", "c2", "c3"]
    assert candidates(clips(feed="capture:/srv/kept"), annotated(), {}, 2).table["clip_id"].tolist() == ["c2", "c3"]


def test_a_clip_of_no_split_is_no_candidate() -> None:
    assert len(candidates(clips().assign(split="left_out"), annotated(), {}, 10)) == 0


def test_the_clips_that_causes_name_are_the_drifted_region() -> None:
    named = ToldCause("new_style", "", request_ids=("r1",))
    broken = ToldCause("upstream_fault", "", request_ids=("r0",), trains=False)
    found = candidates(clips(2), annotated(), seen(record(0), record(1), causes=(named, broken)), 10)
    assert found.table["drifted"].tolist() == [False, True]
    assert candidates(clips(2), annotated(), seen(record(0)), 10).table["drifted"].all(), "none is named"


def test_the_latest_answer_counts_and_other_makes_of_embeddings_are_left_out() -> None:
    odd = record(2, vector=(1.0, 0.0, 0.0), captions=3)
    found = candidates(clips(3), annotated(), seen(record(0), record(1), odd, record(0, 1.0)), 10)
    assert found.table["uncertainty"].tolist() == [0.0, 1.0, 1.0]
    assert found.vectors.shape == (3, 2)
    assert not found.vectors[2].any()
