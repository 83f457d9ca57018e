import pandas as pd
import pytest

from cu_pipeline.core.records import DUPLICATES, table
from cu_pipeline.splitting.balance import (
    balance_in_words,
    check_balance,
    large_in_words,
    large_parts,
    uneven_in_words,
    uneven_splits,
)
from cu_pipeline.splitting.options import SplitOptions

NOTHING = table([], DUPLICATES)


def clips_of(splits, creators=None):
    frame = pd.DataFrame({"split": splits, "creator": creators or [f"{n}" for n in range(len(splits))]}, dtype="object")
    return frame.assign(clip_id=[f"c{n}" for n in range(len(splits))], group=frame["creator"])


def test_creators_and_copies_beyond_the_share_of_a_test_are_named_the_largest_first():
    clips = clips_of(["train"] * 200, ["ann"] * 60 + ["bob"] * 30 + [f"{n}" for n in range(110)])
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
    assert large_parts(clips_of(["train"] * 20, ["ann"] * 20), NOTHING, SplitOptions()) == []


def test_clips_without_a_creator_are_no_creator():
    assert large_parts(clips_of(["train"] * 90, [""] * 90), NOTHING, SplitOptions()) == []


def test_splits_that_chance_does_not_explain_are_named():
    collapsed = clips_of(["test"] * 90 + ["train"] * 10)
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
    one_unit = clips_of(["test"] * 90 + ["train"] * 10, ["ann"] * 90 + [f"{n}" for n in range(10)])
    assert uneven_splits(one_unit, SplitOptions()) == []


def test_a_share_of_nothing_stays_empty_and_a_date_asks_for_no_share():
    clips = clips_of(["train"] * 10)
    assert uneven_splits(clips, SplitOptions(train=1, validation=0, test=0)) == []
    assert uneven_splits(clips_of(["test"] * 90), SplitOptions(test_from="2026-03-01")) == []
    assert uneven_splits(clips_of([]), SplitOptions()) == []


def test_splits_are_described():
    clips = clips_of(["train", "train", "validation", "test"], ["u", "u", "v", "w"])
    share = pytest.approx(1 / 3, abs=1e-6)
    found = check_balance(clips, NOTHING, SplitOptions())["splits"]
    assert found["train"] == {"clips": 2, "units": 1, "share_of_units": share, "asked_share": 0.7}
    dated = check_balance(clips, NOTHING, SplitOptions.model_validate({"test_from": "2026-03-01"}))["splits"]
    assert dated["test"]["asked_share"] is None


def test_all_that_a_person_should_look_at_is_told():
    clips = clips_of(["test"] * 90, ["ann"] * 90).assign(group=[f"g{n}" for n in range(90)])
    found = check_balance(clips, NOTHING, SplitOptions())
    told = balance_in_words(found, 90, SplitOptions())
    assert [warning.split(" of ")[0] for warning in told] == ["creator 'ann' has 90", "0", "90"]
    calm = clips_of(["train", "train", "validation", "test"])
    assert balance_in_words(check_balance(calm, NOTHING, SplitOptions()), 4, SplitOptions()) == []
