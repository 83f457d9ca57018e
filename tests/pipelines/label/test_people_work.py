"""People's answers, which come between runs, among the annotations."""

import logging

import pytest

from cu_pipeline.core.capability import Capabilities, Capability
from cu_pipeline.core.records import ANNOTATIONS, CLIPS, table
from cu_pipeline.labeling.people.work_log import BatchOpened, Draw, Item, PersonAnswer, Terms
from cu_pipeline.pipelines.label.people_nodes import check_data, keep_people_work, merge_annotations

SAID = [
    {"clip_id": "c0", "capability": "topic", "annotator": "ana", "label": "pets"},
    {"clip_id": "c0", "capability": "topic", "annotator": "label", "label": "cooking"},
]
REST = {"kind": "human", "price": 0.0, "probability": float("nan"), "probabilities": "", "version": "", "draw": ""}
GIVEN = table([row | REST for row in SAID], ANNOTATIONS)
CLIPS_HERE = table(
    [{"clip_id": name, "has_audio": False, "bytes": 0, "metadata": "{}"} for name in ("c0", "c1")], CLIPS
)


def batch(*clips: str) -> BatchOpened:
    terms = Terms(price=0.04, redundancy=1, gold_accuracy=0.8, alpha=0.05)
    topic = {"topic": Capability(classes=("cooking", "pets"))}
    items = tuple(Item(clip_id=clip, draw=Draw.RANDOM, task={}) for clip in clips)
    return BatchOpened(batch="b", time="t", place="file", terms=terms, capabilities=topic, items=items)


def answer(clip: str, label: str) -> PersonAnswer:
    return PersonAnswer(batch="b", clip_id=clip, annotation=1, annotator="ana", time="1", labels={"topic": label})


def said(batches: list[BatchOpened], answers: list[PersonAnswer]) -> list[list[object]]:
    merged = merge_annotations(GIVEN, CLIPS_HERE, batches, answers)
    return merged[["clip_id", "annotator", "label", "price", "draw"]].to_numpy().tolist()


FEED = [["c0", "ana", "pets", 0.0, ""], ["c0", "label", "cooking", 0.0, ""]]


def test_answers_of_an_accepted_batch_stand_beside_the_feed() -> None:
    assert said([batch("c1")], [answer("c1", "pets")]) == [*FEED, ["c1", "ana", "pets", 0.04, "random"]]


def test_answers_of_an_open_batch_do_not_count_yet() -> None:
    assert said([batch("c0", "c1")], [answer("c1", "pets")]) == FEED


def test_answers_to_clips_that_left_the_feed_are_not_used() -> None:
    assert said([batch("gone")], [answer("gone", "pets")]) == FEED


def test_a_persons_later_answer_replaces_the_one_in_the_feed() -> None:
    assert said([batch("c0")], [answer("c0", "cooking")]) == [["c0", "ana", "cooking", 0.04, "random"], FEED[1]]


def test_a_run_adds_nothing_to_the_logs() -> None:
    assert keep_people_work() == ([], [], [])


def test_classes_with_few_labels_are_told_with_numbers(caplog: pytest.LogCaptureFixture) -> None:
    clips = CLIPS_HERE.assign(split="train")
    with caplog.at_level(logging.WARNING, "cu_pipeline"):
        found = check_data({"languages": {"": 2}, "least": 1}, clips, GIVEN, Capabilities.model_validate({"topic": {}}))
    assert [one["class"] for one in found["rare_classes"]] == ["cooking", "pets"]
    assert {name: found["classes"]["topic"][name]["train"] for name in ("cooking", "pets")} == {"cooking": 1, "pets": 0}
    assert (found["languages"], found["least"]) == ({"": 2}, 1)
    assert "2 classes have fewer than 1 clips with people's labels in a split" in caplog.text
