from datetime import timedelta

import pytest
from tests.inference.prediction_log.made import NOON, record, write

from cu_pipeline.inference.prediction_log import scan_log
from cu_pipeline.inference.prediction_log.notices import notices
from cu_pipeline.inference.prediction_log.traffic import distinct_clips

DELIVERED = {"topic": "v1"}


def told(folder, *versions, rollouts=(), **other):
    made = [
        record(f"r{number}", NOON + timedelta(minutes=number), version=version, media_sha256=f"m{number}", **other)
        for number, version in enumerate(versions)
    ]
    write(folder, *made)
    return notices(folder, DELIVERED, distinct_clips(scan_log(folder, versions=DELIVERED)), rollouts)


def test_a_service_that_answers_by_the_champions_is_no_news(tmp_path):
    assert told(tmp_path, *["v1"] * 5) == []


def test_a_running_service_that_was_not_reloaded_is_said_first(tmp_path):
    first, second = told(tmp_path, *["v1"] * 60, *["v0"] * 50)
    assert "does not answer by the delivered model of topic: its latest 50 of 50 answers are by v0" in first
    assert "Remedy" in first
    assert "50 of 110 answers (45%) are by other models" in second


def test_a_service_that_was_reloaded_since_is_not_blamed(tmp_path):
    assert told(tmp_path, *["v0"] * 30, "v1") == []
    (only,) = told(tmp_path / "both", *["v0"] * 30, "v1", "v0", "v1")
    assert only.startswith("1 of 3 answers (33%) are by other models")


@pytest.mark.parametrize("last", ["v1", "v2"])
def test_a_canary_is_told_and_is_no_stale_service(tmp_path, last):
    left_out, rollout = told(tmp_path, *["v1", "v1", "v2"] * 5, last, rollouts=["topic"])
    assert "by other models" in left_out
    assert rollout.startswith("For topic a rollout of a challenger is under way")


def test_only_the_products_own_clips_are_no_traffic(tmp_path):
    (only,) = told(tmp_path, *["v1"] * 3, replay=True)
    assert only.startswith("The log holds 3 answers about the product's own clips alone")


def test_models_of_other_capabilities_are_told(tmp_path):
    write(tmp_path, record(versions={"mood": "m1"}))
    traffic = distinct_clips(scan_log(tmp_path, versions=DELIVERED))
    first, _ = notices(tmp_path, DELIVERED, traffic)
    assert first.startswith("The running service answers for mood, and the delivered models are of topic")


def test_what_is_left_out_is_counted_by_its_reason(tmp_path):
    write(tmp_path, *[record(f"r{number}") for number in range(30)], sample=0.5)
    (only,) = notices(tmp_path, DELIVERED, distinct_clips(scan_log(tmp_path, versions=DELIVERED)))
    assert "were sampled out by the log's option `sample`" in only


def test_an_empty_log_has_nothing_to_tell(tmp_path):
    assert told(tmp_path) == []
