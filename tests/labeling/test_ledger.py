from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import ANNOTATIONS, CLIPS, LEDGER, table
from cu_pipeline.labeling.ledger import known_keys, new_entries
from cu_pipeline.labeling.people.batches import paid_answers, people_annotations, review_batches, unused_batches
from cu_pipeline.labeling.people.work_log import AnswerState, BatchDecided, BatchOpened, Draw, Item, PersonAnswer, Terms
from cu_pipeline.llm.clients.call_log import Payment, Purpose

Log = tuple[Sequence[BatchOpened | BatchDecided], Sequence[PersonAnswer]]

TERMS = Terms(price=0.05, redundancy=1, gold_accuracy=0.8, alpha=0.05)
NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def _llm(clip: str, label: str, kind: str = "llm") -> pd.DataFrame:
    row = {"clip_id": clip, "capability": "topic", "annotator": "smol", "kind": kind, "label": label}
    return table([row | {"probability": 0.7, "price": 0.002, "version": "p1", "draw": ""}], ANNOTATIONS)


def _call(key: str, clip: str, usd: float, *, answered: bool = True) -> Payment:
    return Payment(key, Purpose("topic", "smol", "p1", clip, usd), tokens=31, answered=answered)


def _enter(
    feed: pd.DataFrame,
    annotations: pd.DataFrame,
    ledger: pd.DataFrame | None = None,
    log: Log = ((), ()),
    calls: Sequence[Payment] = (),
) -> pd.DataFrame:
    before = table([], LEDGER) if ledger is None else ledger
    answered = pd.concat([annotations, people_annotations(review_batches(*log))], ignore_index=True)
    new = new_entries(answered, paid_answers(*log), feed, calls, known_keys(before), NOW)
    assert list(new) == list(LEDGER)
    return pd.concat([before, new], ignore_index=True)


def _batch(name: str, clips: str) -> BatchOpened:
    items = tuple(Item(clip_id=clip, draw=Draw.RANDOM, task={}) for clip in clips)
    topic = {"topic": Capability(classes=("a", "b"))}
    return BatchOpened(batch=name, time="t", place="file", terms=TERMS, capabilities=topic, items=items)


def _answer(batch: str, clip: str, label: str = "a", time: str = "1", **changes: object) -> PersonAnswer:
    given = {"batch": batch, "clip_id": clip, "annotation": 1, "annotator": "ana", "time": time}
    return PersonAnswer.model_validate(given | {"labels": {"topic": label}} | changes)


def _decided(batch: str, *, accepted: bool) -> BatchDecided:
    return BatchDecided(batch=batch, time="t", accepted=accepted, reason="looked at")


def test_every_annotation_is_entered_once(clips, votes) -> None:
    feed = clips({"1": "x", "2": "y"}).assign(text_sha256=["x", "y"], media_sha256="")
    annotations = pd.concat([votes(("1", "ann", "a"), ("1", "bob", "b")).assign(price=0.04), _llm("2", "a")])
    calls = [_call("k-0", "2", 0.001)]
    ledger = _enter(feed, annotations, calls=calls)
    assert ledger["price"].tolist() == [0.04, 0.04, 0.001]
    assert ledger["tokens"].tolist() == [0, 0, 31]
    assert ledger["label"].tolist() == ["a", "b", "a"]
    assert set(ledger["entered_at"]) == {"2026-03-02T08:00:00+00:00"}
    assert len(_enter(feed, annotations, ledger, calls=calls)) == 3


def test_every_call_of_a_language_model_is_entered_whatever_came_of_it(clips, votes) -> None:
    calls = [
        _call("nothing-0", "", 0.004),  # a caption that says nothing
        _call("k-0", "2", 0.001, answered=False),
        _call("k-1", "2", 0.002),
        _call("gone-0", "9", 0.008),  # a clip that left the feed before its answer became a label
    ]
    ledger = _enter(clips({"2": "y"}), _llm("2", "a"), calls=calls)
    assert ledger["price"].tolist() == [0.004, 0.001, 0.002, 0.008]
    assert ledger["label"].tolist() == ["", "", "a", ""]
    assert len(_enter(clips({"1": "x"}), votes(), ledger, calls=[*calls, _call("k-2", "2", 0.002)])) == 5


def test_a_changed_answer_of_a_person_is_paid_again_and_a_reweighed_one_of_a_model_is_not(clips, votes) -> None:
    feed = clips({"1": "x", "2": "y"}).assign(text_sha256=["x", "y"], media_sha256="")
    ledger = _enter(feed, pd.concat([votes(("1", "ann", "a")).assign(price=0.04), _llm("2", "a", "model")]))
    ledger = _enter(feed, pd.concat([votes(("1", "ann", "b")).assign(price=0.04), _llm("2", "b", "model")]), ledger)
    assert ledger["label"].tolist() == ["a", "a", "b"]
    renamed = clips({"9": "y"}).assign(text_sha256="y", media_sha256="")
    assert len(_enter(renamed, _llm("9", "b", "model"), ledger)) == len(ledger)


def test_no_annotations_make_no_entries(clips, votes) -> None:
    assert _enter(clips({"1": "x"}), votes()).empty


def test_answers_are_entered_when_they_come_in_and_not_again_when_their_batch_is_accepted(clips, votes) -> None:
    feed = clips({"1": "x", "2": "y"})
    batch, answers = _batch("b", "12"), [_answer("b", "1")]
    ledger = _enter(feed, votes(), log=([batch], answers))
    assert ledger[["clip_id", "label", "price", "draw", "batch"]].to_numpy().tolist() == [
        ["1", "a", 0.05, "random", "b"]
    ]
    answers.append(_answer("b", "2"))
    ledger = _enter(feed, votes(), ledger, ([batch], answers))
    assert people_annotations(review_batches([batch], answers))["clip_id"].tolist() == ["1", "2"]
    assert ledger["clip_id"].tolist() == ["1", "2"]
    assert len(_enter(feed, votes(), ledger, ([batch], answers))) == 2


def test_answers_that_were_sent_back_are_paid_and_can_be_told_apart(clips, votes) -> None:
    events = [_batch("b", "1"), _decided("b", accepted=False), _batch("c", "1"), _batch("d", "2")]
    log = (events, [_answer("b", "1"), _answer("c", "1")])
    ledger = _enter(clips({"1": "x", "2": "y"}), votes(), log=log)
    assert ledger["batch"].tolist() == ["b", "c"]
    reviews = review_batches(*log)
    assert ledger["price"].sum() == pytest.approx(sum(one.spent for one in reviews))
    assert unused_batches(reviews) == {"b": "sent back", "d": "not accepted yet"}


def test_a_changed_or_deleted_answer_to_a_batch_is_paid_once(clips, votes) -> None:
    feed, batch = clips({"1": "x"}), _batch("b", "1")
    answers = [_answer("b", "1")]
    ledger = _enter(feed, votes(), log=([batch], answers))
    for change in ({"label": "b", "time": "2"}, {"time": "3", "state": AnswerState.DELETED, "labels": {}}):
        answers.append(_answer("b", "1", **change))
        assert len(_enter(feed, votes(), ledger, ([batch], answers))) == 1
    assert len(_enter(feed, votes(), log=([batch], answers))) == 1
    skipped = _answer("b", "1", state=AnswerState.SKIPPED, labels={})
    assert _enter(feed, votes(), log=([batch], [skipped])).empty


def test_answers_to_clips_that_left_the_feed_are_paid_too(clips, votes) -> None:
    ledger = _enter(clips({"1": "x"}), votes(), log=([_batch("b", "19")], [_answer("b", "9")]))
    assert ledger["clip_id"].tolist() == ["9"]


def test_what_an_earlier_version_entered_without_its_batch_is_not_entered_again(clips, votes) -> None:
    feed, batch = clips({"1": "x", "2": "y"}), _batch("b", "12")
    answers = [_answer("b", "1"), _answer("b", "1", "b", time="2"), _answer("b", "2")]
    accepted = people_annotations(review_batches([batch], answers))
    earlier = new_entries(accepted, paid_answers([], []), feed, (), pd.Series(dtype=object), NOW)
    assert earlier["batch"].tolist() == ["", ""]
    assert len(_enter(feed, votes(), earlier, ([batch], answers))) == 2


def test_a_person_of_the_feed_is_not_taken_for_one_of_a_batch(clips, votes) -> None:
    feed = clips({"1": "x", "2": "y"})
    spoke = votes(("1", "ben", "a"), ("2", "ana", "b")).assign(price=0.04)
    ledger = _enter(feed, spoke, log=([_batch("b", "1")], [_answer("b", "1")]))
    assert sorted(zip(ledger["clip_id"], ledger["annotator"], ledger["batch"], strict=True)) == [
        ("1", "ana", "b"), ("1", "ben", ""), ("2", "ana", ""),
    ]  # fmt: skip


_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["answer", "accept", "send back"]),
        st.sampled_from("bc"),
        st.sampled_from("12"),
        st.sampled_from("ab"),
        st.booleans(),
    ),
    max_size=12,
)


@given(_EVENTS)
@settings(max_examples=60)
def test_the_ledger_only_grows_and_holds_each_answer_once_whatever_happens(events) -> None:
    """Runs in between see answers come in, change, be accepted and be sent back; the last run alone sees the same."""
    feed = table([{"clip_id": clip, "has_audio": False, "bytes": 0} for clip in "12"], CLIPS)
    nobody = table([], ANNOTATIONS)
    log: list[BatchOpened | BatchDecided] = [_batch("b", "12"), _batch("c", "12")]
    answers: list[PersonAnswer] = []
    ledger = table([], LEDGER)
    for turn, (what, batch, clip, label, run) in enumerate(events):
        if what == "answer":
            answers.append(_answer(batch, clip, label, time=f"{turn:02}"))
        else:
            log.append(_decided(batch, accepted=what == "accept"))
        if run:
            grown = _enter(feed, nobody, ledger, (log, answers))
            pd.testing.assert_frame_equal(grown.iloc[: len(ledger)], ledger)
            ledger = grown
    ledger = _enter(feed, nobody, ledger, (log, answers))
    assert ledger["key"].is_unique
    assert set(ledger["key"]) == set(_enter(feed, nobody, log=(log, answers))["key"])
    assert ledger["price"].sum() == pytest.approx(sum(one.spent for one in review_batches(log, answers)))


def test_nobody_is_paid_again_because_names_are_spelt_otherwise(clips, votes) -> None:
    feed = clips({"1": "x", "2": "y"}).assign(text_sha256=["x", "y"], media_sha256="")
    opened, answer = _batch("b1", "2"), _answer("b1", "2", annotator="Ana Müller", labels={"topic": "Café"})
    ledger = _enter(feed, votes(("1", "José", "Café")).assign(price=0.04), log=([opened], [answer]))
    unclean = {"annotator": ["Jose\u0301", "Ana\u00a0Mu\u0308ller"], "label": ["Cafe\u0301", "Café\u200b"]}
    as_before = ledger.assign(**unclean, key=["old feed", "old answer"])
    again = _enter(feed, votes(("1", "José", "Café")).assign(price=0.04), as_before, log=([opened], [answer]))
    assert again["key"].tolist() == ["old feed", "old answer"]
