import pandas as pd

from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.counters import counts
from cu_pipeline.core.rows import rows_of
from cu_pipeline.ingest.served_feedback import ServedFeedback, feedback_labels

CAPABILITIES = Capabilities.model_validate(
    {
        "topic": {"classes": ["猫", "狗"]},
        "safety": {"kind": "multi", "classes": ["advert", "violence"]},
        "mood": {"classes": []},
    }
)
CLIPS = rows_of(
    pd.DataFrame(
        {"clip_id": ["a", "b", "twin of a"], "media_sha256": ["m1", "m2", "m1"], "text_sha256": ["t1", "", "t1"]}
    )
)


def said(number, label, capability="topic", annotator="", content=("m1", "t1")):
    return ServedFeedback(str(number), f"2026-01-0{number}T00:00:00+00:00", capability, label, annotator, *content)


def labels(feedback, used=None):
    return {row[:3]: row[3] for row in feedback_labels(feedback, CLIPS, CAPABILITIES, used or {})}


def counted(name, feedback):
    before = counts().get(name, 0)
    labels(feedback)
    return counts()[name] - before


def test_what_is_said_of_a_content_holds_for_each_clip_of_it():
    assert labels([said(1, "猫", annotator=" Ann ")]) == {
        ("a", "topic", "service/Ann"): "猫",
        ("twin of a", "topic", "service/Ann"): "猫",
    }
    assert labels([said(1, "狗", content=("m2", ""))]) == {("b", "topic", "service"): "狗"}
    assert labels([said(1, "狗", content=("m3", ""))]) == {}


def test_the_latest_word_of_a_person_counts_and_people_stand_side_by_side():
    found = labels([said(3, "狗"), said(1, "猫"), said(2, "猫", annotator="Ann")])
    assert found["a", "topic", "service"] == "狗"
    assert found["a", "topic", "service/Ann"] == "猫"


def test_what_cannot_be_used_is_left_out_counted_and_told(caplog):
    usable = said(5, "none", "safety")
    others = [
        said(1, "鸟"),
        said(2, "猫", "weather"),
        said(3, "advert|scam", "safety"),
        said(4, "猫", content=("", "")),
    ]
    assert labels([*others, usable]) == {(name, "safety", "service"): "none" for name in ("a", "twin of a")}
    assert counted("feedback_left_out", [*others, usable]) == 4
    for told in (
        "'鸟' is no class of 'topic'; there are 猫, 狗",
        "no configured capability",
        "'scam'",
        "no longer knows",
    ):
        assert told in caplog.text


def test_labels_of_clips_that_no_feed_has_are_counted_with_the_remedy(caplog):
    elsewhere = [said(1, "猫", content=("m9", "t9")), said(2, "狗", content=("m9", "t9")), said(3, "猫")]
    assert counted("feedback_unmatched", elsewhere) == 1
    assert "CU_PIPELINE_CAPTURE" in caplog.text
    assert counted("feedback_unmatched", [said(1, "猫")]) == 0


def test_labels_are_written_as_tables_keep_them():
    assert labels([said(1, "violence|advert", "safety")])["a", "safety", "service"] == "advert|violence"
    assert labels([said(1, "ADVERT", "safety")])["a", "safety", "service"] == "advert"


def test_classes_that_are_taken_from_the_data_have_one_spelling():
    found = labels([said(1, "Happy", "mood", "Ann"), said(2, "Sad", "mood"), said(3, "SAD", "mood", "Bo")],
                   {"mood": frozenset({"happy"})})  # fmt: skip
    assert {annotator: label for (clip, _, annotator), label in found.items() if clip == "a"} == {
        "service/Ann": "happy",
        "service": "Sad",
        "service/Bo": "Sad",
    }
