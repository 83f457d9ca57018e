import pandas as pd
import pytest

from cu_pipeline.core.records import DUPLICATES, LEFT_OUT, table
from cu_pipeline.splitting.checks import (
    balance_in_words,
    check_balance,
    find_leakage,
    large_in_words,
    large_parts,
    let_go_in_words,
    uneven_in_words,
    uneven_splits,
)
from cu_pipeline.splitting.options import SplitOptions


def clips_of(*rows):
    named = [(str(number), *row) for number, row in enumerate(rows)]
    return pd.DataFrame(named, columns=["clip_id", "creator", "text", "split"], dtype="object")


def test_leaks_are_found_in_a_table_that_has_them():
    clips = clips_of(("ann", "Hello  you", "train"), ("ann", "hello you", "test"), ("", "", "train"))
    duplicates = table([{"clip_id": name, "duplicate_group": "1", "bits": 3.0} for name in ("1", "2")], DUPLICATES)
    leakage = find_leakage(clips, duplicates, common_caption=10)
    assert leakage["creators"] == {"shared": 1, "clips": 1, "examples": ["ann"]}
    assert leakage["duplicate_groups"] == {"shared": 1, "clips": 1, "examples": ["1"]}
    assert leakage["captions"] == {"shared": 1, "clips": 1, "examples": ["Hello  you"]}
    assert leakage["clips"] == {"test": 1, "train": 2}


def test_clips_count_that_share_with_training():
    rows = [
        ("a", "hi", "validation"),
        ("b", "hi", "test"),
        ("c", "ho", "test"),
        ("d", "ho", "test"),
        ("e", "ho", "train"),
    ]
    leakage = find_leakage(clips_of(*rows), table([], DUPLICATES), common_caption=10)
    assert (leakage["captions"]["shared"], leakage["captions"]["clips"]) == (2, 2)


def test_common_captions_are_counted_apart():
    rows = [(f"{number}", "first!", "test" if number else "train") for number in range(12)]
    leakage = find_leakage(clips_of(*rows), table([], DUPLICATES), common_caption=10)
    assert leakage["captions"]["shared"] == 0
    assert leakage["common_captions"] == {"shared": 1, "clips": 11, "examples": ["first!"]}


def test_what_was_let_go_is_told_with_numbers_limit_and_remedy():
    told = let_go_in_words({"shared": 3, "clips": 2}, 28, 1512, SplitOptions())
    assert told.startswith("28 clips are labelled but neither learned from nor measured on, since their creator and ")
    assert "captions are in more than one split (2 clips of validation and test have one of training)" in told
    assert "at most 30 of 1512 clips (collect.split.largest_unit: 0.02)" in told
    assert "Remedy: " in told
    assert let_go_in_words({"shared": 0, "clips": 0}, 0, 1484, SplitOptions()) == ""


NOTHING = table([], DUPLICATES)


def sized_clips(splits, creators=None):
    frame = pd.DataFrame({"split": splits, "creator": creators or [f"{n}" for n in range(len(splits))]}, dtype="object")
    return frame.assign(clip_id=[f"c{n}" for n in range(len(splits))], group=frame["creator"])


def test_creators_and_copies_beyond_the_share_of_a_test_are_named_the_largest_first():
    clips = sized_clips(["train"] * 200, ["ann"] * 60 + ["bob"] * 30 + [f"{n}" for n in range(110)])
    copies = table([{"clip_id": f"c{n}", "duplicate_group": "c100", "bits": 1.0} for n in range(100, 140)], DUPLICATES)
    found = large_parts(clips, copies, SplitOptions())
    assert found == [
        {"kind": "creator", "name": "ann", "clips": 60},
        {"kind": "duplicate group", "name": "c100", "clips": 40},
    ]
    told = large_in_words(found[0], 200, SplitOptions())
    assert told.startswith(
        "creator 'ann' has 60 of 200 clips, which stay in one split; validation or test shall have 15%"
    )
    assert "Remedy: collect clips of others" in told


def test_in_a_small_feed_no_creator_is_large():
    assert large_parts(sized_clips(["train"] * 20, ["ann"] * 20), NOTHING, SplitOptions()) == []


def test_clips_without_a_creator_are_no_creator():
    assert large_parts(sized_clips(["train"] * 90, [""] * 90), NOTHING, SplitOptions()) == []


def test_splits_that_chance_does_not_explain_are_named():
    collapsed = sized_clips(["test"] * 90 + ["train"] * 10)
    found = uneven_splits(collapsed, SplitOptions())
    assert [(one["split"], one["clips"], one["asked_share"]) for one in found] == [
        *(("train", 10, 0.7), ("test", 90, 0.15)),
    ]
    assert found[1]["deviation"] == pytest.approx((0.15 * 0.85 / 100) ** 0.5, abs=1e-6)
    told = uneven_in_words(found[1], 100)
    assert told.startswith(
        "90 of 100 clips are for test, and 15% were asked for, more than 5 standard deviations (3.6%"
    )
    assert "Remedy: another collect.split.salt" in told


def test_large_units_make_large_deviations_likely():
    one_unit = sized_clips(["test"] * 90 + ["train"] * 10, ["ann"] * 90 + [f"{n}" for n in range(10)])
    assert uneven_splits(one_unit, SplitOptions()) == []


def test_a_share_of_nothing_stays_empty_and_a_date_asks_for_no_share():
    clips = sized_clips(["train"] * 10)
    assert uneven_splits(clips, SplitOptions(train=1, validation=0, test=0)) == []
    assert uneven_splits(sized_clips(["test"] * 90), SplitOptions(test_from="2026-03-01")) == []
    assert uneven_splits(sized_clips([]), SplitOptions()) == []


def test_splits_are_described():
    clips = sized_clips(["train", "train", "validation", "test"], ["u", "u", "v", "w"])
    share = pytest.approx(1 / 3, abs=1e-6)
    found = check_balance(clips, NOTHING, SplitOptions())["splits"]
    assert found["train"] == {"clips": 2, "units": 1, "share_of_units": share, "asked_share": 0.7}
    dated = check_balance(clips, NOTHING, SplitOptions.model_validate({"test_from": "2026-03-01"}))["splits"]
    assert dated["test"]["asked_share"] is None


def test_all_that_a_person_should_look_at_is_told():
    clips = sized_clips(["test"] * 90, ["ann"] * 90).assign(group=[f"g{n}" for n in range(90)])
    found = check_balance(clips, NOTHING, SplitOptions())
    told = balance_in_words(found, 90, SplitOptions())
    assert [warning.split(" of ")[0] for warning in told] == ["creator 'ann' has 90", "0", "90"]
    calm = sized_clips(["train", "train", "validation", "test"])
    assert balance_in_words(check_balance(calm, NOTHING, SplitOptions()), 4, SplitOptions()) == []


@pytest.mark.parametrize(("uses", "kind"), [(9, "captions"), (10, "common_captions")])
def test_a_caption_is_common_from_the_bound_on(uses, kind):
    rows = [(f"{number}", "first!", "test" if number else "train") for number in range(uses)]
    leakage = find_leakage(clips_of(*rows), NOTHING, common_caption=10)
    assert {name: leakage[name]["clips"] for name in ("captions", "common_captions")} == {
        name: uses - 1 if name == kind else 0 for name in ("captions", "common_captions")
    }


def test_clips_that_no_split_takes_leak_nothing():
    rows = [("ann", "hi", "train"), ("ann", "hi", LEFT_OUT), ("bob", "ho", LEFT_OUT), ("cas", "ho", "test")]
    copies = table([{"clip_id": name, "duplicate_group": "0", "bits": 1.0} for name in "01"], DUPLICATES)
    leakage = find_leakage(clips_of(*rows), copies, common_caption=10)
    assert [leakage[kind]["shared"] for kind in ("creators", "duplicate_groups", "captions")] == [0, 0, 0]
    assert leakage["clips"] == {"test": 1, "train": 1}


def test_what_validation_and_test_share_is_told_though_no_clip_of_training_has_it():
    rows = [("ann", "hi", "validation"), ("ann", "ho", "test"), ("", "x", "train"), ("", "y", "test")]
    leakage = find_leakage(clips_of(*rows), NOTHING, common_caption=10)
    assert leakage["creators"] == {"shared": 1, "clips": 0, "examples": ["ann"]}
