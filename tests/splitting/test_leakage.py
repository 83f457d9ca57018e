import pandas as pd

from cu_pipeline.core.records import DUPLICATES, table
from cu_pipeline.splitting.leakage import find_leakage, let_go_in_words
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
