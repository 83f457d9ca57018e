import pandas as pd

from cu_pipeline.core.records import DUPLICATES, table
from cu_pipeline.splitting.group_keys import GroupKeys, caption_key, find_group_keys, sets_of_copies

COLUMNS = ["clip_id", "creator", "media_sha256", "text_sha256", "text"]
NOTHING = table([], DUPLICATES)


def clips_of(*rows):
    return pd.DataFrame([(str(number), *row) for number, row in enumerate(rows)], columns=COLUMNS, dtype="object")


def test_a_clip_is_tied_by_content_creator_caption_and_copies():
    clips = clips_of(("ann", "x", "t", "Hi  there"), ("", "y", "t", "hi there"), ("bob", "", "u", "alone"))
    copies = table([{"clip_id": name, "duplicate_group": "0", "bits": 3.0} for name in "01"], DUPLICATES)
    hi = caption_key("hi there")
    assert find_group_keys(clips, copies, 10) == [
        GroupKeys("content:x", "creator:ann", hi, "content:x"),
        GroupKeys("content:y", "", hi, "content:x"),
        GroupKeys("content:u", "creator:bob"),
    ]


def test_a_caption_of_many_clips_ties_neither_clips_nor_texts_of_different_creators():
    rows = [("ann", "", "t", "first!"), ("bob", "", "t", "first!"), ("", "", "t", "first!"), ("", "x", "t", "first!")]
    common = find_group_keys(clips_of(*rows), NOTHING, 4)
    assert [tie.caption for tie in common] == [""] * 4
    assert [tie.content for tie in common] == ["content:t:ann", "content:t:bob", "content:t", "content:x"]
    rare = find_group_keys(clips_of(*rows), NOTHING, 5)
    assert {tie.caption for tie in rare} == {caption_key("first!")}
    assert [tie.content for tie in rare] == ["content:t", "content:t", "content:t", "content:x"]


def test_copies_of_copies_are_one_set_whatever_their_order():
    chain = [
        GroupKeys("content:c", copies="content:b"),
        GroupKeys("content:b", copies="content:a"),
        GroupKeys("content:d"),
    ]
    one = {"content:a": "content:a", "content:b": "content:a", "content:c": "content:a", "content:d": "content:d"}
    assert sets_of_copies(chain) == sets_of_copies(chain[::-1]) == one


def test_no_clip_has_no_ties():
    assert find_group_keys(clips_of(), NOTHING, 10) == []
