from collections import Counter

import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.iterate.options import SimulatedOptions
from cu_pipeline.iterate.simulated_people import PLACE, answers
from cu_pipeline.labeling.people.batches import Review, State, review_batches
from cu_pipeline.labeling.people.work_log import AnswerState, BatchOpened, Draw, Item, Terms

CAPABILITIES = {
    "topic": Capability(classes=("cooking", "pets")),
    "safety": Capability(kind=Kind.MULTI, classes=("advert", "violence")),
    "mood": Capability(classes=("calm", "wild")),
}


def opened(number: int, redundancy: int = 1, prefix: str = "v") -> BatchOpened:
    terms = Terms(price=0.04, redundancy=redundancy, gold_accuracy=0.8, alpha=0.05)
    items = tuple(Item(clip_id=f"{prefix}{place:011x}", draw=Draw.VALUE, task={}) for place in range(number))
    return BatchOpened(batch="b", time="t", place=PLACE, terms=terms, capabilities=CAPABILITIES, items=items)


def truth(number: int) -> dict[str, dict[str, str]]:
    return {f"v{place:011x}": {"topic": "pets", "safety": "advert"} for place in range(number)}


def said(batch: BatchOpened, known: dict, rate: float | None = 0.0, given=()):
    (review,) = review_batches([batch], list(given))
    return list(answers([review], known, SimulatedOptions(error_rate=rate), 17))


def test_they_know_the_truth_of_the_generated_world_and_nothing_else() -> None:
    one, other = said(opened(2), truth(1))
    assert one.labels == {"topic": "pets", "safety": "advert"}
    assert one.annotator.startswith("simulated/"), "nothing that they say passes for a person's word"
    assert (other.state, other.labels) == (AnswerState.SKIPPED, {})


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_they_err_at_the_stated_rate(rate: float) -> None:
    found = Counter(one.labels["topic"] == "pets" for one in said(opened(2000), truth(2000), rate))
    assert found[False] / 2000 == pytest.approx(rate, abs=4 * (rate * (1 - rate) / 2000) ** 0.5)


def test_a_batch_is_answered_whole_by_as_many_as_agreed_and_once() -> None:
    batch = opened(5, redundancy=3)
    given = said(batch, truth(4))
    (review,) = review_batches([batch], given)
    assert isinstance(review, Review)
    assert review.state is State.DONE
    assert len({one.annotator for one in given}) == 3
    assert said(batch, truth(4), given=given) == []
    again = said(batch, truth(4), given=given[:2])
    assert {(one.clip_id, one.annotator) for one in again} == {(one.clip_id, one.annotator) for one in given[2:]}


def test_who_is_asked_twice_says_the_same() -> None:
    def labels():
        return [one.labels for one in said(opened(50), truth(50), 0.5)]

    assert labels() == labels()


def test_a_class_that_nobody_may_answer_does_not_apply() -> None:
    (one,) = said(opened(1), {f"v{0:011x}": {"topic": "travel", "safety": "none"}})
    assert one.labels == {"topic": "not_applicable", "safety": "none"}
