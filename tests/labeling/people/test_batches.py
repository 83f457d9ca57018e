import pytest

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.errors import StoreError
from cu_pipeline.labeling.people.batches import State, people_annotations, review_batches
from cu_pipeline.labeling.people.work_log import (
    AnswerState,
    BatchDecided,
    BatchOpened,
    Draw,
    Item,
    PersonAnswer,
    Terms,
    answer_log,
    batch_log,
)


def batch(ordinary: int = 2, gold: int = 0, redundancy: int = 1) -> BatchOpened:
    terms = Terms(price=0.05, redundancy=redundancy, gold_accuracy=0.8, alpha=0.05)
    items = [Item(clip_id=f"c{place}", draw=Draw.RANDOM, task={}) for place in range(ordinary)]
    items += [Item(clip_id=f"g{place}", draw=Draw.GOLD, gold={"topic": "pets"}, task={}) for place in range(gold)]
    topic = {"topic": Capability(classes=("cooking", "pets"))}
    return BatchOpened(batch="b", time="t", place="file", terms=terms, capabilities=topic, items=tuple(items))


def answer(
    clip: str, label: str = "pets", who: str = "ana", number: int = 1, time: str = "1", **changes
) -> PersonAnswer:
    return PersonAnswer(
        batch="b", clip_id=clip, annotation=number, annotator=who, time=time, labels={"topic": label}, **changes
    )


def gold_answers(right: int, wrong: int) -> list[PersonAnswer]:
    return [answer(f"g{place}", "pets" if place < right else "cooking") for place in range(right + wrong)]


def review(opened: BatchOpened, answers: list[PersonAnswer], *decisions: BatchDecided):
    (found,) = review_batches([opened, *decisions], answers)
    return found


def test_a_batch_is_open_until_each_clip_has_its_answers() -> None:
    found = review(batch(), [answer("c0")])
    assert (found.state, found.accepted, found.complete) == (State.OPEN, False, 1)
    assert review(batch(), [answer("c0"), answer("c1")]).accepted


def test_two_answers_of_one_person_are_one_and_the_last_counts() -> None:
    twice = [answer("c0", "cooking", number=1, time="1"), answer("c0", "pets", number=2, time="2")]
    found = review(batch(1, redundancy=2), twice)
    assert found.state is State.OPEN
    both = review(batch(1, redundancy=2), [*twice, answer("c0", who="ben", number=3)])
    assert both.state is State.DONE
    assert both.agreement == 1.0


def test_an_edited_answer_replaces_the_earlier_one_and_a_deleted_one_is_missing() -> None:
    edited = [answer("c0", "cooking"), answer("c0", "pets", time="2")]
    (row,) = people_annotations([review(batch(1), edited)]).to_dict("records")
    assert row["label"] == "pets"
    gone = answer("c0", time="3").model_copy(update={"state": AnswerState.DELETED, "labels": {}})
    assert review(batch(1), [*edited, gone]).state is State.OPEN


@pytest.mark.parametrize(
    ("right", "wrong", "state", "accepted"),
    [(4, 1, State.DONE, True), (3, 2, State.REVIEW, False), (1, 4, State.DONE, False), (0, 1, State.REVIEW, False)],
)
def test_gold_decides_once_all_is_answered(right: int, wrong: int, state: State, accepted: bool) -> None:
    """P(at most 1 of 5 right at 80 %) is 0.0067, of 3 it is 0.26; of 0 of 1 it is 0.2."""
    found = review(batch(0, right + wrong), gold_answers(right, wrong))
    assert (found.state, found.accepted) == (state, accepted)
    assert f"{right} of {right + wrong}" in found.reason


def test_the_answers_of_a_batch_that_was_sent_back_are_kept_but_not_used() -> None:
    found = review(batch(1, 5), [answer("c0"), *gold_answers(1, 4)])
    assert len(found.answers) == 6
    assert people_annotations([found]).empty
    assert found.spent == pytest.approx(6 * 0.05)


def test_a_person_may_overrule_gold() -> None:
    decided = BatchDecided(batch="b", time="t", accepted=True, reason="gold was wrong")
    found = review(batch(1, 5), [answer("c0"), *gold_answers(0, 5)], decided)
    assert found.accepted
    assert "gold was wrong" in found.reason


def test_answers_become_annotations_with_price_and_draw() -> None:
    rows = people_annotations([review(batch(1, 1), [answer("c0"), answer("g0")])])
    assert rows[["clip_id", "annotator", "kind", "label", "draw"]].to_numpy().tolist() == [
        ["c0", "ana", "human", "pets", "random"],
        ["g0", "ana", "human", "pets", ""],
    ]
    assert rows["price"].tolist() == [0.05, 0.05]


def test_a_skipped_clip_is_complete_but_says_nothing() -> None:
    skipped = answer("c0").model_copy(update={"state": AnswerState.SKIPPED, "labels": {}})
    found = review(batch(1), [skipped])
    assert found.accepted
    assert people_annotations([found]).empty
    assert found.spent == 0


def test_money_is_promised_for_what_is_asked_until_a_batch_is_done() -> None:
    assert review(batch(2), [answer("c0")]).committed == pytest.approx(0.10)
    decided = BatchDecided(batch="b", time="t", accepted=True, reason="enough")
    assert review(batch(2), [answer("c0")], decided).committed == pytest.approx(0.05)


def test_logs_give_back_what_was_appended_and_drop_an_unfinished_line(tmp_path) -> None:
    batches, answers = batch_log(tmp_path / "b.jsonl"), answer_log(tmp_path / "a.jsonl")
    decided = BatchDecided(batch="b", time="t", accepted=False, reason="")
    batches.append([batch(2, 1)])
    batches.append([decided])
    assert batches.read() == [batch(2, 1), decided]
    answers.append([answer("c0"), answer("c1")])
    whole = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "a.jsonl").write_bytes(whole[:-9])
    answers.append([answer("c1")])
    assert (tmp_path / "a.jsonl").read_bytes() == whole


def test_a_damaged_line_is_named(tmp_path) -> None:
    (tmp_path / "a.jsonl").write_text('{"batch": "b"}\n')
    with pytest.raises(StoreError, match=r"a\.jsonl, line 1 is damaged"):
        answer_log(tmp_path / "a.jsonl").read()
