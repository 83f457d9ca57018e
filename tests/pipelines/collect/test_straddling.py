import pandas as pd

from cu_pipeline.core.records import REJECTS, Split
from cu_pipeline.pipelines.collect.ledger import Given
from cu_pipeline.pipelines.collect.straddling import refuse_straddled, straddled
from cu_pipeline.pipelines.collect.ties import Ties
from cu_pipeline.pipelines.collect.units import Units

CLIP = Ties("content:x", "creator:ann", copies="content:y")


def told(clip, creator, content, copies):
    """Give why no split takes a clip whose creator, content and copies are in these splits."""
    place = {"content:x": content, "content:y": copies, "creator:ann": creator}
    units = Units(["creator:ann"], {"content:x": "copies", "content:y": "copies", "creator:ann": "creator:ann"}, {})
    assigned = {"copies": Given(copies, 1, False), "creator:ann": Given(creator, 1, False)}
    return straddled([clip], units, assigned, {key: Given(split, 1, False) for key, split in place.items()})


def test_a_clip_whose_creator_and_copies_are_in_one_split_is_kept():
    assert told(CLIP, Split.TEST, Split.TEST, Split.TEST) == [""]
    assert told(Ties("content:x", copies="content:y"), Split.TRAIN, Split.TEST, Split.TEST) == [""]


def test_what_keeps_a_clip_from_a_split_is_named():
    assert told(CLIP, Split.TEST, Split.TRAIN, Split.TRAIN) == ["creator 'ann': test, its copies: train"]
    assert told(CLIP, Split.TRAIN, Split.TRAIN, Split.TEST) == [
        "creator 'ann': train, the clip until now: train, its copies: test"
    ]


def test_refused_rows_have_a_reason_and_the_others_stay_as_they_are():
    rows = pd.DataFrame({"clip_id": ["1", "2"], "path": ["a.mp4", ""], "text": ["one", "two"]}, index=[7, 8])
    kept, refused = refuse_straddled(rows, ["", "creator 'ann': test, its copies: train"])
    pd.testing.assert_frame_equal(kept, rows.iloc[:1])
    assert list(refused) == list(REJECTS)
    assert refused.to_numpy().tolist() == [["2", "", "between_splits", "creator 'ann': test, its copies: train"]]
    assert refuse_straddled(rows, ["", ""])[1].empty
