from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.splitting.plain import Shared, keys_of, names_of, placed_by_name

from cu_pipeline.core.records import Split
from cu_pipeline.splitting.assignment import split_of
from cu_pipeline.splitting.groups import form_groups
from cu_pipeline.splitting.options import SplitOptions

clip = st.tuples(st.sampled_from(["", "a", "b", "c", "d", "e"]), st.sampled_from("stuvwxyz"))
feeds = st.lists(clip, max_size=30)


def units(feed):
    keys = keys_of([Shared(f"content:{content}", creator and f"creator:{creator}") for creator, content in feed])
    return names_of(form_groups(keys, placed_by_name(keys, {}), limit=1000), keys)[0]


def splits(feed):
    return [split_of(unit, SplitOptions()) for unit in units(feed)]


@given(feeds)
def test_neither_creators_nor_contents_straddle_splits(feed):
    seen = defaultdict(set)
    for (creator, content), split in zip(feed, splits(feed), strict=True):
        seen["content", content].add(split)
        if creator:
            seen["creator", creator].add(split)
    assert all(len(found) == 1 for found in seen.values())


@given(feeds)
def test_units_are_no_larger_than_their_connections(feed):
    names = units(feed)
    for unit in set(names):
        members = {clip for clip, name in zip(feed, names, strict=True) if name == unit}
        reached = {next(iter(members))}
        while more := {
            clip
            for clip in members - reached
            if any(clip[1] == other[1] or (clip[0] and clip[0] == other[0]) for other in reached)
        }:
            reached |= more
        assert reached == members


@given(feeds, st.data())
def test_adding_clips_that_connect_nothing_moves_no_clip(feed, data):
    new = st.tuples(st.sampled_from(["", "0", "z"]), st.sampled_from(["0", "zz", "{"]))
    known = [pair for pair in feed if pair[0]]
    again = st.tuples(st.sampled_from([creator for creator, _ in known]), st.just("01")) if known else new
    added = data.draw(st.lists(new, max_size=10)) + data.draw(st.lists(again, max_size=1))
    mixed = data.draw(st.permutations(list(enumerate(feed)) + [(None, clip) for clip in added]))
    before = dict(enumerate(splits(feed)))
    after = splits([clip for _, clip in mixed])
    assert {place: split for (place, _), split in zip(mixed, after, strict=True) if place is not None} == before


def test_shares_are_met_over_many_units():
    found = Counter(split_of(f"creator:{number}", SplitOptions()) for number in range(20_000))
    assert found[Split.TRAIN] / 20_000 == pytest.approx(0.70, abs=0.015)
    assert found[Split.VALIDATION] / 20_000 == pytest.approx(0.15, abs=0.012)


def test_the_split_of_a_unit_never_changes():
    pinned = {
        "creator:0": "train",
        "creator:1": "train",
        "creator:2": "train",
        "creator:5": "validation",
        "creator:9": "validation",
        "creator:15": "validation",
        "creator:13": "test",
        "creator:16": "test",
        "creator:18": "test",
    }
    assert {unit: split_of(unit, SplitOptions()).value for unit in pinned} == pinned


def test_another_salt_divides_differently():
    other = SplitOptions(salt="other")
    assert any(split_of(str(unit), SplitOptions()) != split_of(str(unit), other) for unit in range(20))


def test_shares_must_sum_to_one():
    with pytest.raises(ValidationError, match="make them sum to 1"):
        SplitOptions(train=0.7, validation=0.2, test=0.2)
