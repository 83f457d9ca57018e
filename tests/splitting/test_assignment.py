import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.splitting.plain import Given, assigned_to, given_of, placements

from cu_pipeline.core.hashing import unit_interval
from cu_pipeline.core.records import DUPLICATES, LEFT_OUT, SPLITS, Split, table
from cu_pipeline.splitting.assignment import divide, split_of
from cu_pipeline.splitting.checks import find_leakage
from cu_pipeline.splitting.options import SplitOptions
from cu_pipeline.splitting.placements import division, reconcile

OPTIONS = SplitOptions(train=0.4, validation=0.3, test=0.3)
EMPTY = table([], SPLITS)

clip = st.tuples(
    st.sampled_from(["", "a", "b", "c", "d", "e", "f"]), st.sampled_from("stuvwxyz"), st.sampled_from(["", "hi", "ho"])
)
feeds = st.lists(st.lists(clip, max_size=8), min_size=1, max_size=5)
groups = st.lists(st.sets(st.sampled_from("stuvwxyz"), min_size=2, max_size=3), max_size=3)
limits = st.sampled_from([1, 3, 100])


@pytest.fixture(autouse=True, scope="module")
def small_feeds():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cu_pipeline.splitting.groups.ALWAYS_SMALL", 1)
        yield


def table_of(feed):
    rows = [(str(number), creator, content, text, text) for number, (creator, content, text) in enumerate(feed)]
    columns = ["clip_id", "creator", "media_sha256", "text_sha256", "text"]
    return pd.DataFrame(rows, columns=columns, dtype="object").assign(path="", posted_at="")


def duplicates_of(clips, grouped):
    rows = []
    for contents in grouped:
        members = clips.loc[clips["media_sha256"].isin(contents), "clip_id"].tolist()
        rows += [{"clip_id": name, "duplicate_group": members[0], "bits": 0.0} for name in members]
    return table(rows, DUPLICATES).drop_duplicates("clip_id")


def collect(feed, ledger, grouped=(), limit=3, **changes):
    """Divide a feed in which a unit may have `limit` clips."""
    clips = table_of(feed)
    duplicates = duplicates_of(clips, grouped)
    share = min(limit / max(len(feed), 1), 1)
    split = OPTIONS.model_copy(update={"largest_unit": share} | changes)
    rows, given = divide(clips, duplicates, ledger, split)
    left_out = rows["split"] == LEFT_OUT
    return rows[~left_out], given, rows[left_out], duplicates


def grown(parts):
    feed = []
    for part in parts:
        feed = feed + part
        yield feed


def splits_of(clips):
    return dict(zip(clips["clip_id"], clips["split"], strict=True))


@settings(max_examples=25)
@given(feeds, groups, limits)
def test_neither_creators_nor_copies_are_in_two_splits_however_the_feed_grows(parts, grouped, limit):
    ledger = EMPTY
    for feed in grown(parts):
        clips, ledger, left_out, duplicates = collect(feed, ledger, grouped, limit)
        leakage = find_leakage(clips, duplicates, common_caption=10)
        assert [leakage[kind]["shared"] for kind in ("creators", "duplicate_groups")] == [0, 0]
        assert sorted([*clips["clip_id"], *left_out["clip_id"]]) == sorted(map(str, range(len(feed))))


@settings(max_examples=25)
@given(feeds, groups, limits)
def test_no_clip_ever_moves(parts, grouped, limit):
    ledger, before = EMPTY, {}
    for feed in grown(parts):
        clips, ledger, _, _ = collect(feed, ledger, grouped, limit)
        now = splits_of(clips)
        assert all(before.get(clip_id, split) == split for clip_id, split in now.items())
        before |= now


@settings(max_examples=25)
@given(feeds, limits)
def test_without_near_duplicates_that_come_later_no_clip_is_lost_once_it_is_placed(parts, limit):
    ledger, before = EMPTY, {}
    for feed in grown(parts):
        clips, ledger, _, _ = collect(feed, ledger, (), limit)
        assert before.items() <= splits_of(clips).items()
        before = splits_of(clips)


@settings(max_examples=25)
@given(feeds, groups, limits)
def test_collecting_again_changes_nothing(parts, grouped, limit):
    ledger = EMPTY
    for feed in grown(parts):
        clips, ledger, left_out, _ = collect(feed, ledger, grouped, limit)
        again, same, too, _ = collect(feed, ledger, grouped, limit)
        pd.testing.assert_frame_equal(again, clips)
        pd.testing.assert_frame_equal(same, ledger)
        pd.testing.assert_frame_equal(too, left_out)


@settings(max_examples=25)
@given(feeds, limits, st.data())
def test_the_order_of_the_feed_does_not_matter(parts, limit, data):
    feed = [row for part in parts for row in part]
    mixed = data.draw(st.permutations(range(len(feed))))
    clips, *_ = collect(feed, EMPTY, (), limit)
    other, *_ = collect([feed[place] for place in mixed], EMPTY, (), limit)
    before = splits_of(clips)
    assert {str(mixed[int(place)]): split for place, split in splits_of(other).items()} == before


@settings(max_examples=25)
@given(feeds, st.data())
def test_clips_that_go_and_come_back_have_the_same_split(parts, data):
    whole = [row for part in parts for row in part]
    clips, ledger, *_ = collect(whole, EMPTY)
    kept = data.draw(st.lists(st.sampled_from(whole), max_size=5)) if whole else []
    _, ledger, *_ = collect(kept, ledger)
    back, *_ = collect(whole, ledger)
    assert splits_of(back) == splits_of(clips)


@settings(max_examples=25)
@given(st.lists(clip, min_size=1, max_size=10, unique=True), groups, limits, st.data())
def test_no_clip_moves_whatever_goes_comes_and_is_tied_together_meanwhile(whole, grouped, limit, data):
    clips, ledger, before = table_of(whole), EMPTY, {}
    split = OPTIONS.model_copy(update={"largest_unit": min(limit / len(whole), 1)})
    for _ in range(data.draw(st.integers(2, 5))):
        here = data.draw(st.lists(st.integers(0, len(whole) - 1), unique=True, min_size=1))
        feed = clips.iloc[sorted(here)].reset_index(drop=True)
        rows, ledger = divide(feed, duplicates_of(feed, grouped), ledger, split)
        now = splits_of(rows[rows["split"] != LEFT_OUT])
        assert all(before.get(clip_id, place) == place for clip_id, place in now.items())
        before |= now


def test_what_is_gone_keeps_its_split_also_where_a_hash_would_now_say_another():
    names = [f"n{number}" for number in range(40)]
    # creator `first` comes later, gives the group that it joins its name, and would by itself be in another split
    first, second = next(
        (one, other)
        for one in names
        for other in names
        if one < other
        and split_of(f"creator:{one}", OPTIONS) is Split.TEST
        and split_of(f"creator:{other}", OPTIONS) is Split.TRAIN
    )
    own, joined = [(second, "x", ""), (second, "y", "")], [(first, "x", ""), (first, "z", "")]
    _, ledger, *_ = collect(own, EMPTY, limit=100)
    clips, ledger, *_ = collect(own + joined, ledger, limit=100)
    assert set(splits_of(clips).values()) == {"train"}
    _, kept, *_ = collect([("someone", "s", "")], ledger, limit=100)
    assert set(ledger["key"]) < set(kept["key"])
    back, *_ = collect(own + joined, kept, limit=100)
    assert splits_of(back) == splits_of(clips)


def reconciled(parts):
    return given_of(reconcile(placements(parts), np.zeros(len(parts), dtype=np.int64), 1), 0)


@given(st.lists(st.builds(Given, st.sampled_from(Split), st.just(7), st.booleans()), min_size=1, max_size=5), st.data())
def test_of_parts_of_one_age_the_strictest_split_holds_whatever_their_order(parts, data):
    found = reconciled(parts)
    strictness = [Split.TRAIN, Split.VALIDATION, Split.TEST]
    expected = max((part.split for part in parts), key=strictness.index)
    if expected is Split.TRAIN and any(part.tested for part in parts):
        expected = Split.TEST
    assert found.split is expected
    assert (found.since, found.tested) == (7, expected is Split.TEST or any(part.tested for part in parts))
    assert reconciled(data.draw(st.permutations(parts))) == found


def test_a_share_ends_before_its_bound():
    place = unit_interval("17:unit")
    assert split_of("unit", SplitOptions(train=place, validation=1 - place, test=0)) is Split.VALIDATION
    assert split_of("unit", SplitOptions(train=0, validation=place, test=1 - place)) is Split.TEST


def test_what_was_placed_apart_keeps_the_older_split_and_is_not_for_training_if_a_part_was_for_testing():
    train, validation = Given(Split.TRAIN, 1, False), Given(Split.VALIDATION, 2, False)
    test = Given(Split.TEST, 3, True)
    assert reconciled([train, validation]) == Given(Split.TRAIN, 1, False)
    assert reconciled([Given(Split.TRAIN, 4, False), validation]) == Given(Split.VALIDATION, 2, False)
    assert reconciled([train, test]) == Given(Split.TEST, 1, True)
    assert reconciled([validation, test]) == Given(Split.VALIDATION, 2, True)
    assert reconciled([train, Given(Split.VALIDATION, 2, True)]) == Given(Split.TEST, 1, True)


def test_a_clip_that_copies_what_is_in_another_split_is_left_out_and_moves_none():
    feed = [(creator, creator, "") for creator in "abcdefghijkl"]
    clips, ledger, *_ = collect(feed, EMPTY)
    split = splits_of(clips)
    test = next(name for name in split if split[name] == "test")
    train = next(name for name in split if split[name] == "train")
    new = (feed[int(test)][0], feed[int(train)][1], "")
    later, _, left_out, _ = collect([*feed, new], ledger)
    assert splits_of(later) == split
    assert left_out[["clip_id", "apart"]].to_numpy().tolist() == [
        ["12", f"creator {new[0]!r}: test, its copies: train"]
    ]


def test_a_clip_that_turns_out_to_copy_a_test_clip_is_left_out_and_not_moved():
    feed = [("", content, "") for content in "stuvwxyz"]
    clips, ledger, *_ = collect(feed, EMPTY)
    split = splits_of(clips)
    test = next(name for name in split if split[name] == "test")
    train = next(name for name in split if split[name] == "train")
    later, ledger, left_out, _ = collect(feed, ledger, [{feed[int(test)][1], feed[int(train)][1]}])
    assert left_out["clip_id"].tolist() == [train]
    assert left_out["apart"].tolist() == ["the clip until now: train, its copies: test"]
    assert splits_of(later) == {name: one for name, one in split.items() if name != train}


def test_another_salt_starts_afresh_and_the_first_is_remembered():
    feed = [(creator, creator, "") for creator in "abcdefghijkl"]
    first, ledger, *_ = collect(feed, EMPTY)
    other, ledger, *_ = collect(feed, ledger, salt="other")
    back, *_ = collect(feed, ledger)
    assert other["split"].tolist() != first["split"].tolist()
    assert back["split"].tolist() == first["split"].tolist()


def test_a_unit_larger_than_a_test_shall_be_is_for_training_where_others_can_be_tested():
    options = SplitOptions()
    name = next(f"creator:{n}" for n in range(100) if split_of(f"creator:{n}", options) is Split.TEST)
    others = {f"creator:other{n}": 1 for n in range(100)}
    assert assigned_to({name: 15} | others, {}, options)[name].split is Split.TEST
    assert assigned_to({name: 30} | others, {}, options)[name] == Given(Split.TRAIN, 1, False)
    few = dict(list(others.items())[:6])
    assert assigned_to({name: 30} | few, {}, options)[name].split is Split.TEST


def test_a_large_unit_stays_where_it_is_and_goes_nowhere_that_has_no_share():
    name, others = "creator:large", {f"creator:other{n}": 1 for n in range(100)}
    feed = {name: 50} | others
    placed = {name: Given(Split.TEST, 1, True)}
    assert assigned_to(feed, placed, SplitOptions())[name].split is Split.TEST
    untrained = SplitOptions(train=0, validation=0.5, test=0.5)
    assert assigned_to(feed, {}, untrained)[name].split is not Split.TRAIN


def test_a_creator_whose_spellings_were_in_two_splits_has_one_split_from_then_on():
    options = SplitOptions()
    mine = division(options)
    rows = [
        ("creator:Cafe\u0301", mine, "train", 1, False),
        ("creator:Café", mine, "test", 1, True),
        ("creator:Café", "another", "train", 1, False),
        ("content:a", mine, "train", 1, False),
        ("content:b", mine, "test", 1, True),
    ]
    ledger = table([dict(zip(SPLITS, row, strict=True)) for row in rows], SPLITS)
    columns = ["clip_id", "creator", "text", "media_sha256", "text_sha256", "posted_at"]
    clips = pd.DataFrame([("1", "Café", "", "a", "", ""), ("2", "Café", "", "b", "", "")], columns=columns)
    for _ in range(2):
        divided, ledger = divide(clips, table([], DUPLICATES), ledger, options)
        assert divided["split"].tolist() == [LEFT_OUT, "test"]  # the first one was learned from
        kept = ledger.set_index(["key", "division"])["split"].to_dict()
        assert kept["creator:Café", mine] == "test"
        assert kept["creator:Café", "another"] == "train"
        assert len(kept) == len(rows) - 1
