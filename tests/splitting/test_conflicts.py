import numpy as np
from tests.splitting.plain import Given, Shared, keys_of, placements

from cu_pipeline.core.records import Split
from cu_pipeline.splitting.assignment import conflicts
from cu_pipeline.splitting.groups import Groups

CLIP = Shared("content:x", "creator:ann", copies="content:y")


def told(clip, creator, content, copies):
    """Give why no split takes a clip whose creator, content and copies are in these splits; "" where one does."""
    keys = keys_of([clip])
    place = {"content:x": content, "content:y": copies, "creator:ann": creator}
    now = placements([Given(place[name], 1, False) for name in keys.names.to_pylist()])
    # the second key names the group of both contents
    of_key = np.array([1, 1, 2])[: len(now.split)]
    return conflicts(keys, Groups(of_key[-1:], of_key, np.ones_like(of_key)), now, now).get(0, "")


def test_a_clip_whose_creator_and_copies_are_in_one_split_is_kept():
    assert told(CLIP, Split.TEST, Split.TEST, Split.TEST) == ""
    assert told(Shared("content:x", copies="content:y"), Split.TRAIN, Split.TEST, Split.TEST) == ""


def test_what_keeps_a_clip_from_a_split_is_named():
    assert told(CLIP, Split.TEST, Split.TRAIN, Split.TRAIN) == "creator 'ann': test, its copies: train"
    apart = "creator 'ann': train, the clip until now: train, its copies: test"
    assert told(CLIP, Split.TRAIN, Split.TRAIN, Split.TEST) == apart
