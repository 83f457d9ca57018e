from hashlib import sha256

import pytest

from cu_pipeline.core.errors import ManifestError
from cu_pipeline.ingest.capture_store import CaptureStore
from cu_pipeline.ingest.feeds import read_feeds
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
    rows = read_feeds([f"capture:{tmp_path / 'store'}"], Limits())
    assert rows["text"].tolist() == ["猫", "text alone", "another"]
    assert rows.loc[0, ["clip_id", "creator", "lang"]].tolist() == ["c1", "小明", "zh"]
    assert rows["clip_id"].str.startswith("capture-").tolist() == [False, True, False]
    assert rows.loc[2, "clip_id"].startswith("c1-")
    assert rows["clip_id"].is_unique
    assert read_feeds([f"capture:{tmp_path / 'store'}"], Limits()).equals(rows)


def test_a_store_that_is_not_there_is_told_with_the_remedy(tmp_path):
    with pytest.raises(ManifestError, match="CU_PIPELINE_CAPTURE"):
        read_feeds([f"capture:{tmp_path}"], Limits())
