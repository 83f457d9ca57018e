from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.inference.prediction_log.made import NOON, feedback, record, shadow

from cu_pipeline.inference.prediction_log import PredictionRecord, decode_embedding, encode_embedding
from cu_pipeline.inference.prediction_log.records import from_line, to_line

EARLIER = (
    b'{"time": "2026-03-04T12:00:00.000000+00:00", "request_id": "old", "labels": {"topic": "cats"}, '
    b'"probabilities": {"topic": {"cats": 0.75}}, "versions": {"topic": "v1"}, "embedding": "ADgAvABC", '
    b'"facts": {"duration_s": 2.5, "width": null}}\n'
)


@pytest.mark.parametrize("one", [record(), shadow(), shadow(label="", probabilities={}, error="it broke"), feedback()])
def test_a_record_is_what_its_line_says(one):
    assert from_line(to_line(one)) == one


@given(st.text(), st.one_of(st.none(), st.text(max_size=20), st.floats(allow_nan=False, allow_infinity=False)))
def test_any_text_of_a_client_makes_one_line_that_is_read_back(text, fact):
    one = record(caption=text, creator=text, facts={"fact": fact})
    line = to_line(one)
    assert (line.count(b"\n"), from_line(line)) == (1, one)


def test_what_no_database_can_hold_is_replaced():
    one = record(caption="a\0b\ud800c", clip_id="\0")
    assert (one.caption, one.clip_id) == ("a\ufffdb?c", "\ufffd")


def test_a_line_of_earlier_versions_is_read():
    one = from_line(EARLIER)
    assert isinstance(one, PredictionRecord)
    assert (one.request_id, one.vector().tolist(), one.replay) == ("old", [0.5, -1.0, 3.0], False)


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe\n",
        b'{"time": 1}\n',
        b"null\n",
        b'{"shadow":null}\n',
        EARLIER[:40],
        to_line(record())[:40],
        EARLIER.replace(b"ADgAvABC", b"AAA"),
        EARLIER.replace(b"ADgAvABC", b"AAAA"),
    ],
)
def test_what_is_torn_or_no_record_is_none(line):
    assert from_line(line) is None


@pytest.mark.parametrize(
    "bad",
    [
        {"probabilities": {"topic": {"cats": float("nan")}}},
        {"probabilities": {"topic": {"cats": 1.5}}},
        {"facts": {"duration_s": float("inf")}},
        {"time": datetime(2026, 3, 4)},
        {"request_id": ""},
        {"surplus": 1},
    ],
)
def test_a_record_that_no_reader_could_use_cannot_be_made(bad):
    with pytest.raises(ValidationError):
        record(**bad)


def test_times_of_other_zones_are_the_same_moment():
    there = NOON.astimezone(timezone(timedelta(hours=5)))
    assert from_line(to_line(record(time=there))).time == datetime(2026, 3, 4, 12, tzinfo=UTC)


def test_embeddings_beyond_half_precision_stay_finite():
    assert decode_embedding(encode_embedding(np.array([1e9, -1e9]))).tolist() == [65504.0, -65504.0]
