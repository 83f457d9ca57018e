"""People's answers, which come between runs, among the annotations."""

import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.labeling.people.records import Draw, Item, Opened, PersonAnswer, Terms
from cu_pipeline.pipelines.collect.nodes import collect_annotations, keep_people_work

ROWS = pd.DataFrame(
    [
        {"clip_id": "c0", "opinions": '{"topic": {"ana": "pets", "label": "cooking"}}'},
        {"clip_id": "c1", "opinions": "{}"},
    ]
)


def batch(*clips: str) -> Opened:
    terms = Terms(price=0.04, redundancy=1, gold_accuracy=0.8, alpha=0.05)
    topic = {"topic": Capability(classes=("cooking", "pets"))}
    items = tuple(Item(clip_id=clip, draw=Draw.RANDOM, task={}) for clip in clips)
    return Opened(batch="b", time="t", place="file", terms=terms, capabilities=topic, items=items)


def answer(clip: str, label: str) -> PersonAnswer:
    return PersonAnswer(batch="b", clip_id=clip, annotation=1, annotator="ana", time="1", labels={"topic": label})


def said(batches: list[Opened], answers: list[PersonAnswer]) -> list[list[object]]:
    table = collect_annotations(ROWS, batches, answers)
    return table[["clip_id", "annotator", "label", "price", "draw"]].to_numpy().tolist()


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
    assert keep_people_work() == ([], [])
