from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.hashing import unit_interval
from cu_pipeline.labeling.people.batches import review_batches
from cu_pipeline.labeling.people.random_draws import draw_at_random, with_people
from cu_pipeline.labeling.people.work_log import BatchDecided, BatchOpened, Draw, Item, Terms

TOPIC = ("topic",)
PRICE = 0.04


def clips(number: int, questions: tuple[str, ...] = TOPIC, first: int = 0) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys((f"c{place:03}" for place in range(first, first + number)), questions)


def draw(questions, share=3, lacking=None, room=1000):
    wanted = {name: one if isinstance(one, tuple) else (one, 0) for name, one in (lacking or {}).items()}
    return draw_at_random(list(questions), questions, share, wanted, room, PRICE)


def test_a_share_is_drawn_where_certificates_lack_nothing() -> None:
    drawn, shortages = draw(clips(10), lacking={"topic": 0})
    assert drawn == {"c000", "c001", "c002"}
    assert shortages == []


def test_what_a_certificate_lacks_is_drawn_beyond_the_share() -> None:
    drawn, (shortage,) = draw(clips(100), lacking={"topic": 27})
    assert drawn == set(clips(27))
    assert shortage.message("") == "topic: a certificate lacks about 27 random draws; 27 are in the queue"


def test_those_with_people_are_not_drawn_again() -> None:
    drawn, (shortage,) = draw(clips(100), lacking={"topic": (27, 20)})
    assert drawn == set(clips(7))
    assert "lacks about 27 random draws; 20 are with people; 7 are in the queue" in shortage.message("")
    drawn, _ = draw(clips(100), lacking={"topic": (27, 40)})
    assert drawn == set(clips(3))


def test_the_rest_is_told_with_its_price_and_what_bounds_the_queue() -> None:
    drawn, (shortage,) = draw(clips(100), lacking={"topic": 27}, room=10)
    assert drawn == set(clips(13))
    assert shortage.message("label.queue.max_clips=13 leaves no room for them") == (
        "topic: a certificate lacks about 27 random draws; 13 are in the queue. The other 14 cost $0.56, and "
        "label.queue.max_clips=13 leaves no room for them"
    )


@pytest.mark.parametrize("needed", [100, 431])
def test_a_certificate_for_which_people_would_have_to_see_everything_is_not_worked_for(needed: int) -> None:
    drawn, (shortage,) = draw(clips(100), lacking={"topic": needed})
    assert drawn == set(clips(3))
    assert "only 100 clips wait: people would have to look at them all" in shortage.message("")


def test_where_people_have_looked_at_every_clip_no_draws_are_missed() -> None:
    assert draw({}, lacking={"topic": (72, 0)})[1] == []


def test_capabilities_that_share_no_clip_draw_apart() -> None:
    texts, videos = clips(50, ("hate",)), clips(50, ("topic", "safety"), first=50)
    mixed = dict(sorted((texts | videos).items(), key=lambda entry: unit_interval(entry[0])))
    drawn, _ = draw(mixed, share=0, lacking={"hate": 20})
    assert drawn == set([clip for clip in mixed if clip in texts][:20])
    drawn, _ = draw(mixed, share=0, lacking={"hate": 20, "safety": 5})
    assert len(drawn & set(texts)) == 20
    assert len(drawn & set(videos)) == 5


def test_clips_that_two_capabilities_share_link_all_of_theirs() -> None:
    parts = [clips(10, ("a",)), clips(10, ("b",), 10), clips(10, ("a", "b"), 20), clips(10, ("c",), 30)]
    mixed = {clip: asked for part in parts for clip, asked in part.items()}
    order = dict(sorted(mixed.items(), key=lambda entry: unit_interval(entry[0])))
    drawn, _ = draw(order, share=0, lacking={"a": 4})
    linked = [clip for clip, asked in order.items() if asked != ("c",)]
    assert drawn == set(linked[: len(drawn)]), "else those with both would be drawn more often than those with `a`"
    assert Counter(name for clip in drawn for name in order[clip])["a"] == 4


@given(
    st.lists(st.sampled_from([("a",), ("b",), ("a", "b"), ("c",), ("c", "d"), ("e",)]), max_size=40),
    st.dictionaries(st.sampled_from("abcde"), st.tuples(st.integers(0, 15), st.integers(0, 5))),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_the_sample_of_each_part_is_the_lowest_hashes_and_as_large_as_needed(asked, lacking, share, room) -> None:
    questions = {f"c{place:03}": names for place, names in enumerate(asked)}
    drawn, shortages = draw_at_random(list(questions), questions, min(share, len(asked)), lacking, room, PRICE)
    assert min(share, len(asked)) <= len(drawn) <= min(share, len(asked)) + room
    linked = [{"a", "b"}] if ("a", "b") in asked else [{"a"}, {"b"}]
    linked += [{"c", "d"}] if ("c", "d") in asked else [{"c"}, {"d"}]
    for part in (*linked, {"e"}):
        mine = [clip for clip in questions if set(questions[clip]) <= part]
        taken = [clip in drawn for clip in mine]
        assert taken == sorted(taken, reverse=True)
    for one in shortages:
        had = sum(one.capability in questions[clip] for clip in drawn)
        assert one.queued == had
        if one.is_in_reach and room >= len(asked):
            assert had >= one.needed - one.out
            assert one.price == 0


def test_draws_count_as_out_while_their_batch_is_open_for_what_it_asks() -> None:
    capabilities = {"topic": Capability(classes=("cooking", "pets"))}
    draws = [Draw.RANDOM, Draw.RANDOM, Draw.VALUE, Draw.RANDOM]
    items = tuple(Item(clip_id=f"c{place:03}", draw=one, task={}) for place, one in enumerate(draws))
    terms = Terms(price=PRICE, redundancy=1, gold_accuracy=0.8, alpha=0.05)
    opened = BatchOpened(batch="b", time="t", place="file", terms=terms, capabilities=capabilities, items=items)
    questions = clips(3, ("topic", "safety"))
    assert with_people(review_batches([opened], []), questions) == {"topic": 2}
    back = BatchDecided(batch="b", time="u", accepted=False, reason="r")
    assert with_people(review_batches([opened, back], []), questions) == {}
