"""What the ledger of splits remembers, also of clips that are gone."""

import pandas as pd
import pytest
from tests.splitting.plain import assigned_to

from cu_pipeline.core.records import DUPLICATES, SPLITS, Split, table
from cu_pipeline.splitting.assignment import divide, split_of
from cu_pipeline.splitting.options import SplitOptions
from cu_pipeline.splitting.placements import division

OPTIONS = SplitOptions(train=0.5, validation=0.25, test=0.25)


def clips_of(*feed):
    rows = [(f"c{place}", who, content, content, f"text of {content}") for place, (who, content) in enumerate(feed)]
    columns = ["clip_id", "creator", "media_sha256", "text_sha256", "text"]
    return pd.DataFrame(rows, columns=columns, dtype="object").assign(path="", posted_at="")


def collect(ledger, *feed, options=OPTIONS):
    """Divide clips of creators and contents; give the split of each clip, and the ledger."""
    clips, ledger = divide(clips_of(*feed), table([], DUPLICATES), ledger, options)
    return clips["split"].tolist(), ledger


def creators_in(split, *, count=3):
    found = [name for name in (f"u{n}" for n in range(200)) if split_of(f"creator:{name}", OPTIONS) is split]
    return found[:count]


@pytest.mark.parametrize("split", list(Split))
def test_a_clip_that_was_gone_for_a_while_comes_back_where_it_was(split):
    """It comes back with a creator who sorts first, and whose name alone would place it elsewhere."""
    other = Split.TRAIN if split is Split.TEST else Split.TEST
    first, owner = next(
        (one, two) for one in creators_in(other, count=99) for two in creators_in(split, count=99) if one < two
    )
    before, ledger = collect(table([], SPLITS), (owner, "x"))
    assert before == [split.value]
    for feed in ([], [("stranger", "y")]):
        _, ledger = collect(ledger, *feed)
    assert collect(ledger, (first, "x"), (owner, "x"))[0] == [split.value, split.value]
    assert collect(table([], SPLITS), (first, "x"), (owner, "x"))[0] == [other.value, other.value]


def test_a_creator_whose_first_clips_are_gone_stays_where_they_were():
    owner, first = creators_in(Split.TEST)[0], "a first creator"
    _, ledger = collect(table([], SPLITS), (owner, "x"))
    _, ledger = collect(ledger, ("stranger", "y"))
    now, ledger = collect(ledger, (owner, "z"))
    assert now == ["test"]
    assert set(ledger["key"]) >= {f"creator:{owner}", "content:x", "content:y", "content:z"}
    assert collect(ledger, (first, "z"))[0] == ["test"]


def test_that_a_clip_was_tested_is_remembered_while_it_is_gone():
    owner = creators_in(Split.TEST)[0]
    _, ledger = collect(table([], SPLITS), (owner, "x"))
    _, ledger = collect(ledger, ("stranger", "y"))
    row = ledger.set_index("key").loc["content:x"]
    assert (row["split"], row["since"], row["tested"]) == ("test", 1, True)


def test_each_collection_is_a_generation_of_its_own():
    _, ledger = collect(table([], SPLITS), ("ann", "x"))
    _, ledger = collect(ledger, ("ann", "x"), ("bob", "y"))
    _, ledger = collect(ledger, ("bob", "y"), ("cas", "z"))
    since = dict(zip(ledger["key"], ledger["since"], strict=True))
    assert [since[f"content:{name}"] for name in "xyz"] == [1, 2, 3]
    assert ledger["key"].is_monotonic_increasing


@pytest.mark.parametrize(
    "change",
    [
        {"salt": "other"},
        {"train": 0.6, "validation": 0.15},
        {"validation": 0.3, "test": 0.2},
        {"test_from": "2026-03-01"},
    ],
)
def test_what_decides_the_splits_is_a_division_of_its_own(change):
    assert division(SplitOptions(**OPTIONS.model_dump() | change)) != division(OPTIONS)


def test_what_only_decides_what_is_tied_is_the_same_division():
    loose = OPTIONS.model_copy(update={"largest_unit": 0.5, "common_caption": 3})
    assert division(loose) == division(OPTIONS)


def feed_with(largest, others):
    return {"creator:large": largest} | {f"creator:{n}": 1 for n in range(others)}


@pytest.mark.parametrize(
    ("largest", "others", "split"), [(20, 50, "test"), (21, 50, "train"), (21, 6, "test"), (21, 7, "train")]
)
def test_a_unit_is_large_beyond_the_bound_and_only_where_a_clip_would_be_left_to_test(largest, others, split):
    """The bound is 20 clips here, and of 7 others with a share of 15 % one is for testing; of 6 it may be none."""
    salt = next(str(n) for n in range(99) if split_of("creator:large", SplitOptions(salt=str(n))) is Split.TEST)
    assigned = assigned_to(feed_with(largest, others), {}, SplitOptions(salt=salt))
    assert assigned["creator:large"].split.value == split
