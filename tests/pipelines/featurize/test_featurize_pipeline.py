"""The featurize pipeline on real tiny clips; only the networks are replaced by the mean of what they see."""

import av
import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from cu_pipeline.core import counters
from cu_pipeline.core.hashing import file_sha256, text_sha256
from cu_pipeline.core.records import CLIPS
from cu_pipeline.datasets.feature_store import FeatureStoreDataset
from cu_pipeline.features import extract
from cu_pipeline.features.batch import read_features
from cu_pipeline.features.captions import CaptionEncoder
from cu_pipeline.features.frames import FrameEncoder
from cu_pipeline.features.table import FeatureOptions, FrameOptions, build_all
from cu_pipeline.media.options import Limits
from cu_pipeline.pipelines.featurize import create_pipeline
from cu_pipeline.pipelines.featurize.options import FeaturizeOptions

OPTIONS = FeaturizeOptions(extractors=FeatureOptions(frames=FrameOptions(count=2, size=64)))
NOTHING = {"captions_encoded": 0, "clips_decoded": 0, "frames_encoded": 0}


@pytest.fixture
def encoded(monkeypatch):
    """Replace the networks; give the contents that they were asked for, a list a call."""
    calls = []

    def encode(self, prepared):
        calls.append(list(prepared))
        means = [len(item) if isinstance(item, str) else item.mean() for item in prepared]
        return np.stack([np.full(self.identity.shape, mean, dtype=np.float32) for mean in means])

    monkeypatch.setattr(FrameEncoder, "encode", encode)
    monkeypatch.setattr(CaptionEncoder, "encode", encode)
    return calls


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """Five clips: three shades of grey, one only of text, and a copy of the first under another name."""
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    files = [write(tmp_path / f"{shade}.mp4", shade) for shade in (40, 120, 200)]
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(files[0].read_bytes())
    return feed([(files[0], "dawn"), (files[1], "noon"), (files[2], ""), (None, "only words"), (copy, "dawn")])


def write(path, shade):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(4):
            picture = np.full((48, 64, 3), shade, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))
    return path


def feed(contents):
    rows = [
        {
            "clip_id": f"c{number}",
            "path": path.name if path else "",
            "text": text,
            "media_sha256": file_sha256(path) if path else "",
            "text_sha256": text_sha256(text) if text else "",
        }
        for number, (path, text) in enumerate(contents)
    ]
    return pd.DataFrame(rows, columns=list(CLIPS), dtype="object")


def run(folder, clips, options=OPTIONS):
    """Run the pipeline over the store in `folder`; give what it counted."""
    catalog = DataCatalog(
        {
            "clips": MemoryDataset(clips),
            "params:featurize": MemoryDataset(options),
            "params:workers": MemoryDataset(1),
            "feature_cache": FeatureStoreDataset(filepath=str(folder)),
            "features": FeatureStoreDataset(filepath=str(folder)),
        }
    )
    counters.reset()
    SequentialRunner().run(create_pipeline(), catalog)
    return counters.counts()


def read(folder, clips):
    return read_features(clips, FeatureStoreDataset(filepath=str(folder)).load(), build_all(OPTIONS.extractors))


def parts(folder):
    return {path: path.read_bytes() for path in folder.rglob("part-*.parquet")}


def test_equal_contents_are_computed_once_and_a_second_run_computes_nothing(tmp_path, clips, encoded):
    store = tmp_path / "store"
    assert run(store, clips) == {"captions_encoded": 3, "clips_decoded": 3, "frames_encoded": 3}
    features = read(store, clips)
    assert features.has_frames.tolist() == [True, True, True, False, True]
    assert features.has_caption.tolist() == [True, True, False, True, True]
    np.testing.assert_allclose(features.frames[[0, 1, 2, 4], 0, 0], [40, 120, 200, 40], atol=5)
    assert features.caption[:, 0].tolist() == [4, 4, 0, 10, 4]
    written = parts(store)
    encoded.clear()
    assert run(store, clips) == NOTHING
    assert encoded == []
    assert parts(store) == written


def test_a_new_clip_costs_that_clip_alone(tmp_path, clips, encoded):
    run(tmp_path / "store", clips.iloc[:2])
    assert run(tmp_path / "store", clips) == {"captions_encoded": 1, "clips_decoded": 1, "frames_encoded": 1}


def test_another_parameter_computes_that_feature_again(tmp_path, clips, encoded):
    run(tmp_path / "store", clips)
    extractors = OPTIONS.extractors.model_copy(update={"frames": FrameOptions(count=3, size=64)})
    counts = run(tmp_path / "store", clips, OPTIONS.model_copy(update={"extractors": extractors}))
    assert counts == {"captions_encoded": 0, "clips_decoded": 3, "frames_encoded": 3}


def test_a_crash_between_chunks_keeps_what_was_stored(tmp_path, clips, encoded, monkeypatch):
    store = tmp_path / "store"
    monkeypatch.setattr(extract, "_CHUNK", 1)
    whole = FrameEncoder.encode

    def fail_on_the_third(self, prepared):
        if len(encoded) == 2:
            raise RuntimeError("power cut")
        return whole(self, prepared)

    with monkeypatch.context() as patch:
        patch.setattr(FrameEncoder, "encode", fail_on_the_third)
        with pytest.raises(RuntimeError, match="power cut"):
            run(store, clips)
    assert len(parts(store)) == 2
    assert run(store, clips) == {"captions_encoded": 3, "clips_decoded": 1, "frames_encoded": 1}
    np.testing.assert_allclose(read(store, clips).frames[[0, 1, 2], 0, 0], [40, 120, 200], atol=5)


def test_media_that_does_not_decode_counts_as_absent_and_is_not_tried_again(tmp_path, clips, encoded, caplog):
    store, broken = tmp_path / "store", tmp_path / "broken.mp4"
    broken.write_bytes(b"\x00\x00\x00\x18ftypmp42 not a film")
    clips = feed([(tmp_path / "40.mp4", ""), (broken, "words"), (tmp_path / "200.mp4", "")])
    assert run(store, clips) == {"captions_encoded": 1, "clips_decoded": 3, "frames_encoded": 2}
    assert f"{broken}: truncated: begins like a video" in caplog.text
    assert "frames: 1 of 3 clips could not be used" in caplog.text
    identity = build_all(OPTIONS.extractors)["frames"].identity
    stored = FeatureStoreDataset(filepath=str(store)).load().read(identity, clips["media_sha256"].tolist())
    assert np.isnan(stored).all(axis=(1, 2)).tolist() == [False, True, False]
    features = read(store, clips)
    assert features.has_frames.tolist() == [True, False, True]
    assert not features.frames[1].any()
    np.testing.assert_allclose(features.frames[[0, 2], 0, 0], [40, 200], atol=5)
    caplog.clear()
    assert run(store, clips) == NOTHING
    assert "could not be used" not in caplog.text


def test_a_timeout_may_be_the_machines_fault_and_is_tried_again(tmp_path, clips, encoded):
    store = tmp_path / "store"
    hasty = OPTIONS.model_copy(update={"limits": Limits(timeout_s=1e-4)})
    assert run(store, clips, hasty)["frames_encoded"] == 0
    assert run(store, clips) == {"captions_encoded": 0, "clips_decoded": 3, "frames_encoded": 3}


def test_a_feed_without_media_starts_no_decoder(tmp_path, clips, encoded, monkeypatch):
    monkeypatch.setattr("cu_pipeline.compute.worker_pool.WorkerProcess", None)
    counts = run(tmp_path / "store", clips[clips["path"] == ""])
    assert counts == {"captions_encoded": 1, "clips_decoded": 0, "frames_encoded": 0}
