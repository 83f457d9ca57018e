import json
from hashlib import sha256

import pytest

from cu_pipeline.core.errors import ManifestError
from cu_pipeline.ingest.capture import METADATA, MOST_KEYS
from cu_pipeline.ingest.capture_store import CaptureStore
from cu_pipeline.ingest.columns import COLUMNS
from cu_pipeline.ingest.feeds import read_feeds
from cu_pipeline.ingest.manifest import PROBLEM, SOURCE
from cu_pipeline.media.options import Limits


def test_each_content_is_one_row_with_a_name_that_stays(tmp_path):
    store = CaptureStore(tmp_path / "store")
    media = tmp_path / "clip.mp4"
    media.write_bytes(b"a clip")
    digest = sha256(b"a clip").hexdigest()
    store.keep("r1", media, digest, "猫", {"clip_id": "c1", "creator": "小明", "lang": "zh"})
    store.keep("r2", media, digest, "猫", {"clip_id": "other name"})
    store.keep("r3", None, "", "text alone", {})
    store.keep("r4", None, "", "another", {"clip_id": "c1"})
    rows = read_feeds([f"capture:{tmp_path / 'store'}"], Limits()).frame()
    assert rows["text"].tolist() == ["猫", "text alone", "another"]
    assert rows.loc[0, ["clip_id", "creator", "lang"]].tolist() == ["c1", "小明", "zh"]
    assert rows["clip_id"].str.startswith("capture-").tolist() == [False, True, False]
    assert rows.loc[2, "clip_id"].startswith("c1-")
    assert rows["clip_id"].is_unique
    assert read_feeds([f"capture:{tmp_path / 'store'}"], Limits()).frame().equals(rows)


def names(folder):
    rows = read_feeds([f"capture:{folder}"], Limits()).frame()
    return dict(zip(rows["text"], rows["clip_id"], strict=True))


def test_a_clip_keeps_its_name_whatever_comes_and_goes(tmp_path):
    store = CaptureStore(tmp_path / "store")
    for name, caption in (("r1", "one"), ("r2", "two"), ("r3", "two ")):
        store.keep(name, None, "", caption, {"clip_id": "c1"})
    before = names(tmp_path / "store")
    assert before["one"] == "c1"
    assert before["two"].startswith("c1-")
    store.forget("r1")
    store.keep("r4", None, "", "two", {"clip_id": "c2"})
    store.forget("r2")
    assert names(tmp_path / "store") == {"two ": before["two"]}


def test_metadata_become_columns_that_are_no_labels(tmp_path):
    store = CaptureStore(tmp_path / "store")
    told = {"region": "CN", "hd": True, "label": "cats", "Label_topic": "cats", "annotations": "{}", "_source": "x"}
    store.keep("r1", None, "", "one", {METADATA: json.dumps(told | {"path": "/etc/passwd", "": 1})})
    store.keep("r2", None, "", "two", {METADATA: json.dumps({f"k{number:03d}": 1 for number in range(200)} | told)})
    rows = read_feeds([f"capture:{tmp_path / 'store'}"], Limits()).frame()
    assert rows[["region", "hd", "path"]].to_numpy().tolist() == [["CN", "true", ""]] * 2
    assert rows["k000"].tolist() == ["", "1"]
    assert not {"label", "Label_topic", "annotations", ""} & set(rows.columns)
    assert len(rows.columns) == len(COLUMNS) + len([PROBLEM, SOURCE]) + MOST_KEYS


def test_a_store_that_is_not_there_is_told_with_the_remedy(tmp_path):
    with pytest.raises(ManifestError, match="CU_PIPELINE_CAPTURE"):
        read_feeds([f"capture:{tmp_path}"], Limits())
