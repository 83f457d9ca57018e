import pandas as pd

from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.counters import counts
from cu_pipeline.ingest.served_feedback import ServedFeedback, feedback_annotations

CAPABILITIES = Capabilities.model_validate(
    {"topic": {"classes": ["猫", "狗"]}, "safety": {"kind": "multi", "classes": ["advert", "violence"]}}
)
CLIPS = pd.DataFrame(
    {"clip_id": ["a", "b", "twin of a"], "media_sha256": ["m1", "m2", "m1"], "text_sha256": ["t1", "", "t1"]}
)


def said(number, label, capability="topic", annotator="", content=("m1", "t1")):
    return ServedFeedback(str(number), f"2026-01-0{number}T00:00:00+00:00", capability, label, annotator, *content)


def labels(feedback):
    found = feedback_annotations(feedback, CLIPS, CAPABILITIES)
    return {tuple(row[:3]): row[3] for row in found[["clip_id", "capability", "annotator", "label"]].to_numpy()}


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


def test_what_fits_no_class_is_left_out_and_counted():
    before = counts().get("feedback_left_out", 0)
    found = labels([said(1, "鸟"), said(2, "猫", "mood"), said(3, "advert|none", "safety"), said(4, "none", "safety")])
    assert found == {("a", "safety", "service"): "none", ("twin of a", "safety", "service"): "none"}
    assert counts()["feedback_left_out"] - before == 3
