import pytest

from cu_pipeline.core.capability import Capability
from cu_pipeline.iterate.options import PeopleKind
from cu_pipeline.iterate.people import Standing, waiting_for
from cu_pipeline.labeling.people.batches import review_batches
from cu_pipeline.labeling.people.task_sending import gone, unanswered
from cu_pipeline.labeling.people.work_log import AnswerState, BatchOpened, Draw, Item, PersonAnswer, Terms

CLIPS = ("a", "b", "c")
BATCH = BatchOpened(
    batch="0001-abcdef",
    time="2026-11-27T10:00:00+00:00",
    place="http://127.0.0.1:8090 cu-pipeline",
    terms=Terms(price=0.04, redundancy=1, gold_accuracy=0.8, alpha=0.05),
    capabilities={"topic": Capability(classes=("cooking", "pets"))},
    items=tuple(
        Item(
            clip_id=clip,
            draw=Draw.VALUE,
            gold={},
            task={"data": {"clip_id": clip, "video": "", "text": clip}, "predictions": []},
        )
        for clip in CLIPS
    ),
    actor="ann",
)


def answer(clip: str) -> PersonAnswer:
    return PersonAnswer(
        batch=BATCH.batch, clip_id=clip, annotation=ord(clip), annotator="ana@x.org", time="2026-11-27T11:00:00+00:00",
        seconds=1.0, state=AnswerState.ANSWERED, labels={"topic": "pets"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("answered", "told"),
    [
        ("", "3 clips wait for people: label them in Label Studio, http://127.0.0.1:8090 cu-pipeline; the next"),
        ("a", "2 clips wait for people (1 are answered): label them in Label Studio"),
        ("abc", ""),
    ],
)
def test_it_is_told_where_people_are_waited_for_and_how_many_have_answered(answered: str, told: str) -> None:
    reviews = review_batches([BATCH], [answer(clip) for clip in answered])
    said = waiting_for(Standing(reviews), PeopleKind.LABEL_STUDIO)
    assert said.startswith(told)
    assert bool(said) is bool(told)


def test_tasks_that_somebody_deleted_on_the_server_are_told_with_the_remedies() -> None:
    reviews = review_batches([BATCH], [answer("a")])
    there = [task for task in unanswered(reviews[0]) if task["data"]["clip_id"] == "b"]
    lost = gone(there, reviews)
    assert [task["data"]["clip_id"] for task in lost] == ["c"], "what is answered may go"
    said = waiting_for(Standing(reviews, len(lost)), PeopleKind.LABEL_STUDIO)
    assert "1 of them are not there any more: `kedro labels push` sends them again" in said
    assert "0001-abcdef" in said
