from collections import defaultdict

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from cu_pipeline.core.records import DUPLICATES, SPLITS, Split, table
from cu_pipeline.pipelines.collect.leakage import find_leakage
from cu_pipeline.pipelines.collect.ledger import Given, assign, read_ledger, write_ledger
from cu_pipeline.pipelines.collect.options import SplitOptions
from cu_pipeline.pipelines.collect.units import unit_keys, unit_names

OPTIONS = SplitOptions(train=0.4, validation=0.3, test=0.3)
EMPTY = table([], SPLITS)

clip = st.tuples(
    st.sampled_from(["", "a", "b", "c", "d", "e", "f"]), st.sampled_from("stuvwxyz"), st.sampled_from(["", "hi", "ho"])
)
feeds = st.lists(st.lists(clip, max_size=8), min_size=1, max_size=5)
groups = st.lists(st.sets(st.sampled_from("stuvwxyz"), min_size=2, max_size=3), max_size=3)


def table_of(feed):
    rows = [
        {"clip_id": str(number), "creator": creator, "media_sha256": content, "text_sha256": text, "text": text}
        for number, (creator, content, text) in enumerate(feed)
    ]
    return pd.DataFrame(rows, columns=["clip_id", "creator", "media_sha256", "text_sha256", "text"], dtype="object")


def duplicates_of(clips, grouped):
    rows = []
    for contents in grouped:
        members = clips.loc[clips["media_sha256"].isin(contents), "clip_id"].tolist()
        rows += [{"clip_id": name, "duplicate_group": members[0], "bits": 0.0} for name in members]
    return table(rows, DUPLICATES).drop_duplicates("clip_id")


def collect(feed, ledger, grouped=(), options=OPTIONS, common_caption=10):
    clips = table_of(feed)
    duplicates = duplicates_of(clips, grouped)
    keys = unit_keys(clips, duplicates, common_caption)
    units = unit_names(keys)
    assigned = assign(keys, units, read_ledger(ledger, options), options)
    clips = clips.assign(group=units, split=[assigned[unit].split.value for unit in units])
    return clips, write_ledger(ledger, keys, units, assigned, options), duplicates


def grown(parts):
    feed = []
    for part in parts:
        feed = feed + part
        yield feed


@settings(max_examples=40, deadline=None)
@given(feeds, groups)
def test_nothing_is_shared_between_splits_however_the_feed_grows(parts, grouped):
    ledger = EMPTY
    for feed in grown(parts):
        clips, ledger, duplicates = collect(feed, ledger, grouped)
        leakage = find_leakage(clips, duplicates, common_caption=10)
        assert [leakage[kind]["shared"] for kind in ("creators", "duplicate_groups", "captions")] == [0, 0, 0]


@settings(max_examples=40, deadline=None)
@given(feeds)
def test_what_was_for_testing_is_never_for_training(parts):
    ledger, tested = EMPTY, set()
    for feed in grown(parts):
        clips, ledger, _ = collect(feed, ledger)
        for clip_id, split in zip(clips["clip_id"], clips["split"], strict=True):
            assert not (clip_id in tested and split == Split.TRAIN)
            if split == Split.TEST:
                tested.add(clip_id)


@settings(max_examples=40, deadline=None)
@given(feeds)
def test_a_clip_moves_only_when_its_unit_merges_with_an_older_or_a_tested_one(parts):
    ledger, before = EMPTY, {}
    for feed in grown(parts):
        given_before = read_ledger(ledger, OPTIONS)
        clips, ledger, _ = collect(feed, ledger)
        parts_of = defaultdict(set)
        for clip_id, unit in zip(clips["clip_id"], clips["group"], strict=True):
            if clip_id in before:
                parts_of[unit].add(before[clip_id][0])
        for clip_id, unit, split in zip(clips["clip_id"], clips["group"], clips["split"], strict=True):
            if clip_id in before and split != before[clip_id][1]:
                assert len(parts_of[unit]) > 1 or len({entry.since for entry in given_before.values()}) > 1
        before = {
            name: (unit, split)
            for name, unit, split in zip(clips["clip_id"], clips["group"], clips["split"], strict=True)
        }


@settings(max_examples=40, deadline=None)
@given(feeds, groups)
def test_collecting_again_changes_nothing(parts, grouped):
    ledger = EMPTY
    for feed in grown(parts):
        clips, ledger, _ = collect(feed, ledger, grouped)
        again, same, _ = collect(feed, ledger, grouped)
        pd.testing.assert_frame_equal(again, clips)
        pd.testing.assert_frame_equal(same, ledger)


@settings(max_examples=40, deadline=None)
@given(feeds, st.data())
def test_clips_that_go_and_come_back_have_the_same_split(parts, data):
    # a caption that is common in the whole feed and rare in a part of it would tie units in the part
    whole = [row for part in parts for row in part]
    clips, ledger, _ = collect(whole, EMPTY, common_caption=100)
    kept = data.draw(st.lists(st.sampled_from(whole), max_size=5)) if whole else []
    _, ledger, _ = collect(kept, ledger, common_caption=100)
    back, _, _ = collect(whole, ledger, common_caption=100)
    assert back["split"].tolist() == clips["split"].tolist()


def merged(*entries):
    keys = [[f"content:{number}", f"creator:{number}"] for number in range(len(entries))]
    known = {mine[0]: entry for mine, entry in zip(keys, entries, strict=True)}
    return assign(keys, ["unit"] * len(keys), known, OPTIONS)["unit"]


def test_a_merged_unit_keeps_the_older_split_and_is_not_for_training_if_a_part_was_for_testing():
    train, validation = Given(Split.TRAIN, 1, False), Given(Split.VALIDATION, 2, False)
    test = Given(Split.TEST, 3, True)
    assert merged(train, validation) == Given(Split.TRAIN, 1, False)
    assert merged(Given(Split.TRAIN, 4, False), validation) == Given(Split.VALIDATION, 2, False)
    assert merged(train, test) == Given(Split.TEST, 1, True)
    assert merged(validation, test) == Given(Split.VALIDATION, 2, True)
    assert merged(train, Given(Split.VALIDATION, 2, True)) == Given(Split.TEST, 1, True)


def test_another_salt_starts_afresh_and_the_first_is_remembered():
    feed = [(creator, creator, "") for creator in "abcdefghijkl"]
    first, ledger, _ = collect(feed, EMPTY)
    other, ledger, _ = collect(feed, ledger, options=OPTIONS.model_copy(update={"salt": "other"}))
    back, _, _ = collect(feed, ledger)
    assert other["split"].tolist() != first["split"].tolist()
    assert back["split"].tolist() == first["split"].tolist()


def test_common_captions_tie_nothing_and_are_counted_apart():
    feed = [(creator, creator, "first!") for creator in "abcdefghijkl"]
    clips, _, duplicates = collect(feed, EMPTY)
    assert clips["group"].nunique() == 12
    leakage = find_leakage(clips, duplicates, common_caption=10)
    assert leakage["captions"]["shared"] == 0
    assert leakage["common_captions"] == {"shared": 1, "examples": ["first!"]}


def test_leaks_are_found_in_a_table_that_has_them():
    clips = table_of([("ann", "x", "Hello  you"), ("ann", "y", "hello you"), ("", "z", "")])
    clips["split"] = ["train", "test", "train"]
    duplicates = table([{"clip_id": name, "duplicate_group": "1", "bits": 3.0} for name in ("1", "2")], DUPLICATES)
    leakage = find_leakage(clips, duplicates, common_caption=10)
    assert leakage["creators"] == {"shared": 1, "examples": ["ann"]}
    assert leakage["duplicate_groups"] == {"shared": 1, "examples": ["1"]}
    assert leakage["captions"] == {"shared": 1, "examples": ["Hello  you"]}
    assert leakage["clips"] == {"test": 1, "train": 2}
