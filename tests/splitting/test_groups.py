from collections import Counter, defaultdict

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.splitting.plain import Shared, caption_key, keys_of, names_of, placed_by_name

from cu_pipeline.core.records import DUPLICATES, Split, table
from cu_pipeline.splitting.groups import form_groups, size_limit
from cu_pipeline.splitting.keys import CONTENT, find_keys

COLUMNS = ["clip_id", "creator", "media_sha256", "text_sha256", "text"]
NOTHING = table([], DUPLICATES)


def clips_of(*rows):
    return pd.DataFrame([(str(number), *row) for number, row in enumerate(rows)], columns=COLUMNS, dtype="object")


def shared_in(clips, duplicates, common_caption):
    """Give the names of what each clip may share with others."""
    keys = find_keys(clips, duplicates, common_caption)
    names = [*keys.names.to_pylist(), ""]
    numbers = zip(keys.content, keys.creator, keys.caption, keys.copies[keys.content], strict=True)
    return [Shared(*(names[number] for number in clip)) for clip in numbers]


def test_a_clip_is_tied_by_content_creator_caption_and_copies():
    clips = clips_of(("ann", "x", "t", "Hi  there"), ("", "y", "t", "hi there"), ("bob", "", "u", "alone"))
    copies = table([{"clip_id": name, "duplicate_group": "0", "bits": 3.0} for name in "01"], DUPLICATES)
    hi = caption_key("hi there")
    assert shared_in(clips, copies, 10) == [
        Shared("content:x", "creator:ann", hi, "content:x"),
        Shared("content:y", "", hi, "content:x"),
        Shared("content:u", "creator:bob", "", "content:u"),
    ]


def test_a_caption_of_many_clips_ties_neither_clips_nor_texts_of_different_creators():
    rows = [("ann", "", "t", "first!"), ("bob", "", "t", "first!"), ("", "", "t", "first!"), ("", "x", "t", "first!")]
    common = shared_in(clips_of(*rows), NOTHING, 4)
    assert [tie.caption for tie in common] == [""] * 4
    assert [tie.content for tie in common] == ["content:t:ann", "content:t:bob", "content:t", "content:x"]
    rare = shared_in(clips_of(*rows), NOTHING, 5)
    assert {tie.caption for tie in rare} == {caption_key("first!")}
    assert [tie.content for tie in rare] == ["content:t", "content:t", "content:t", "content:x"]


def test_copies_of_copies_are_one_set_whatever_their_order():
    chain = [
        Shared("content:c", copies="content:b"),
        Shared("content:b", copies="content:a"),
        Shared("content:d"),
    ]
    for feed in (chain, chain[::-1]):
        keys = keys_of(feed)
        assert keys.names.to_pylist() == ["content:a", "content:b", "content:c", "content:d"]
        assert keys.copies.tolist() == [0, 0, 0, 3]


def test_no_clip_has_no_ties():
    assert shared_in(clips_of(), NOTHING, 10) == []


clip = st.builds(
    Shared,
    content=st.sampled_from("stuvwxyz").map("content:{}".format),
    creator=st.sampled_from(["", *(f"creator:{name}" for name in "abcdef")]),
    caption=st.sampled_from(["", "caption:hi", "caption:ho"]),
    copies=st.sampled_from(["", "content:s", "content:t"]),
)
feeds = st.lists(clip, max_size=30)
splits = st.sampled_from(list(Split))
names = [*(f"creator:{name}" for name in "abcdef"), "caption:hi", "content:s"]
placements = st.dictionaries(st.sampled_from(names), splits)


class Units:
    """Groups by name, as clips and keys have them."""

    def __init__(self, feed, placed=None, limit=4.0):
        keys = keys_of(feed)
        groups = form_groups(keys, placed_by_name(keys, placed or {}), limit)
        self.names, self.of = names_of(groups, keys)
        self.undivided = dict(zip(keys.names.to_pylist(), groups.undivided.tolist(), strict=True))


def units_of(feed, placed=None, limit=4.0):
    return Units(feed, placed, limit)


def sets_of_copies(feed):
    names = keys_of(feed).names.to_pylist()
    return {names[one]: names[first] for one, first in enumerate(keys_of(feed).copies)}


def home(clip, copies):
    return clip.creator or copies[clip.content]


@given(feeds, placements, st.integers(1, 8))
def test_a_unit_is_within_the_limit_or_one_creator_or_one_set_of_copies(feed, placed, limit):
    units, copies = units_of(feed, placed, limit), sets_of_copies(feed)
    homes = defaultdict(set)
    for clip, unit in zip(feed, units.names, strict=True):
        homes[unit].add(home(clip, copies))
    for unit, clips in Counter(units.names).items():
        assert clips <= limit or len(homes[unit]) == 1


@given(feeds, placements, st.data())
def test_units_do_not_depend_on_the_order_of_the_feed(feed, placed, data):
    mixed = data.draw(st.permutations(range(len(feed))))
    units, again = units_of(feed, placed), units_of([feed[place] for place in mixed], placed)
    assert again.names == [units.names[place] for place in mixed]
    assert again.of == units.of


@given(feeds, placements)
def test_creators_copies_and_what_is_placed_apart_are_never_parted_or_joined(feed, placed):
    units, copies = units_of(feed, placed), sets_of_copies(feed)
    assert all(units.of[content] == units.of[copies[content]] for content in copies if content in units.of)
    for clip, unit in zip(feed, units.names, strict=True):
        assert unit == units.of[clip.creator or clip.content]
    found = defaultdict(set)
    for key, split in placed.items():
        name = copies.get(key, key)
        if name == key and key in units.of:
            found[units.of[key]].add(split)
    assert all(len(one) == 1 for one in found.values())


@given(feeds)
def test_without_a_limit_units_are_connections(feed):
    units = units_of(feed, limit=1000.0)
    for one, unit in zip(feed, units.names, strict=True):
        for other, same in zip(feed, units.names, strict=True):
            assert unit == same or not (set(one) & set(other)) - {""}


@settings(max_examples=50)
@given(feeds, splits)
def test_forming_units_again_after_placing_them_gives_the_same(feed, split):
    units, copies = units_of(feed), sets_of_copies(feed)
    kinds = {unit: list(Split)[place % 3] for place, unit in enumerate(sorted(set(units.of.values())))}
    placed = {copies.get(key, key): kinds[unit] for key, unit in units.of.items()}
    again = units_of(feed, placed)
    assert (again.names, again.of) == (units.names, units.of)


def keys(creator, content, caption=""):
    return Shared(f"content:{content}", creator and f"creator:{creator}", caption and f"caption:{caption}")


def test_copies_are_joined_before_captions_and_ties_of_many_clips_before_those_of_one():
    feed = [
        *(keys("ann", "x", "hi"), keys("ann", "y")),
        *(keys("bob", "x"), keys("bob", "x")),
        *(keys("cas", "y"), keys("cas", "z", "hi")),
    ]
    units = units_of(feed, limit=4.0)
    assert units.of["creator:ann"] == units.of["creator:bob"] == "creator:ann"
    assert units.of["creator:cas"] == "creator:cas"
    assert units.of["content:y"] == "creator:ann"


def test_a_new_creator_joins_a_placed_one_and_never_two_of_different_splits():
    feed = [keys("ann", "x"), keys("bob", "x"), keys("bob", "y"), keys("cas", "y")]
    units = units_of(feed, {"creator:ann": Split.TRAIN, "creator:cas": Split.TEST})
    assert units.of["creator:ann"] == units.of["creator:bob"] != units.of["creator:cas"]


def test_a_unit_is_named_by_its_first_creator_and_never_by_a_caption():
    assert units_of([keys("bob", "x"), keys("ann", "x"), keys("", "x")]).names == ["creator:ann"] * 3
    assert units_of([keys("", "y", "hi"), keys("", "x", "hi")]).names == ["content:x"] * 2
    apart = units_of([keys("", "x", "hi"), keys("", "y", "hi")], {"caption:hi": Split.TEST, "content:x": Split.TRAIN})
    assert apart.names == ["content:x", "content:y"]


def test_the_clips_that_must_stay_together_are_counted():
    feed = [keys("ann", place) for place in range(7)] + [keys(who, "copy") for who in ("bob", "cas", "dan")]
    units = units_of(feed)
    assert units.undivided["creator:ann"] == 7
    assert units.undivided[units.of[CONTENT + "copy"]] == 3


@pytest.mark.parametrize(("clips", "limit"), [(10, 20), (1000, 20), (5000, 100)])
def test_a_unit_of_twenty_clips_is_never_too_large(clips, limit):
    assert size_limit(clips, 0.02) == limit
