from cu_pipeline.core.records import LEFT_OUT, Split
from cu_pipeline.splitting.assignment import Given, conflicts, leave_out
from cu_pipeline.splitting.groups import GroupKeys, Groups

CLIP = GroupKeys("content:x", "creator:ann", copies="content:y")


def told(clip, creator, content, copies):
    """Give why no split takes a clip whose creator, content and copies are in these splits."""
    place = {"content:x": content, "content:y": copies, "creator:ann": creator}
    units = Groups(["creator:ann"], {"content:x": "copies", "content:y": "copies", "creator:ann": "creator:ann"}, {})
    assigned = {"copies": Given(copies, 1, False), "creator:ann": Given(creator, 1, False)}
    return conflicts([clip], units, assigned, {key: Given(split, 1, False) for key, split in place.items()})


def test_a_clip_whose_creator_and_copies_are_in_one_split_is_kept():
    assert told(CLIP, Split.TEST, Split.TEST, Split.TEST) == [""]
    assert told(GroupKeys("content:x", copies="content:y"), Split.TRAIN, Split.TEST, Split.TEST) == [""]


def test_what_keeps_a_clip_from_a_split_is_named():
    assert told(CLIP, Split.TEST, Split.TRAIN, Split.TRAIN) == ["creator 'ann': test, its copies: train"]
    assert told(CLIP, Split.TRAIN, Split.TRAIN, Split.TEST) == [
        "creator 'ann': train, the clip until now: train, its copies: test"
    ]


def test_a_clip_with_a_reason_is_left_out_and_the_others_keep_their_split():
    assert leave_out(["test", "train"], ["", "creator 'ann': test, its copies: train"]) == ["test", LEFT_OUT]
