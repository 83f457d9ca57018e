"""The featurize pipeline on real tiny clips; only the networks are replaced by the mean of what they see."""

from dataclasses import replace

import av
import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from cu_pipeline.compute.engine import ComputeOptions
from cu_pipeline.core import counters
from cu_pipeline.core.hashing import file_sha256, text_sha256
from cu_pipeline.core.records import CLIPS
from cu_pipeline.datasets.feature_store import FeatureStoreDataset
from cu_pipeline.features import encoding
from cu_pipeline.features.caption_encoder import CaptionEncoder
from cu_pipeline.features.clip_features import read_features
from cu_pipeline.features.frame_encoder import FrameEncoder
from cu_pipeline.features.screen_text import ScreenTextReader
from cu_pipeline.features.table import FeatureInput, FeatureOptions, FeaturizeOptions, build_all
from cu_pipeline.media.options import Limits
from cu_pipeline.pipelines.featurize import create_pipeline

OPTIONS = FeaturizeOptions(extractors=FeatureOptions(frames={"count": 2, "size": 64}, captions={}))
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


def run(folder, clips, options=OPTIONS, served=()):
    """Run the pipeline over the store in `folder`; give what it counted."""
    catalog = DataCatalog(
        {
            "clips": MemoryDataset(clips),
            "served_inputs": MemoryDataset(list(served)),
            "params:featurize": MemoryDataset(options),
            "params:compute": MemoryDataset(ComputeOptions(workers=1)),
            "feature_cache": FeatureStoreDataset(filepath=str(folder)),
            "features": FeatureStoreDataset(filepath=str(folder)),
        }
    )
    counters.reset()
    SequentialRunner().run(create_pipeline(), catalog)
    return counters.counts()


def read(folder, clips):
    return read_features(clips, FeatureStoreDataset(filepath=str(folder)).load(), inputs(OPTIONS))


def inputs(options):
    return {name: FeatureInput.of(extractor) for name, extractor in build_all(options.extractors).items()}


def parts(folder):
    return {path: path.read_bytes() for path in folder.rglob("part-*.parquet")}


def test_equal_contents_are_computed_once_and_a_second_run_computes_nothing(tmp_path, clips, encoded):
    store = tmp_path / "store"
    assert run(store, clips) == {"captions_encoded": 3, "clips_decoded": 3, "frames_encoded": 3}
    features = read(store, clips)
    assert features["frames"].present.tolist() == [True, True, True, False, True]
    assert features["captions"].present.tolist() == [True, True, False, True, True]
    np.testing.assert_allclose(features["frames"].values[[0, 1, 2, 4], 0, 0], [40, 120, 200, 40], atol=5)
    assert features["captions"].values[:, 0].tolist() == [4, 4, 0, 10, 4]
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
    extractors = FeatureOptions(frames={"count": 3, "size": 64}, captions={})
    counts = run(tmp_path / "store", clips, OPTIONS.model_copy(update={"extractors": extractors}))
    assert counts == {"captions_encoded": 0, "clips_decoded": 3, "frames_encoded": 3}


def test_what_served_models_read_is_computed_too_and_a_clip_is_decoded_once_for_all(tmp_path, clips, encoded):
    more = FeaturizeOptions(extractors=FeatureOptions(frames={"count": 3, "size": 64}, captions={}))
    served = inputs(more).values()
    counts = run(tmp_path / "store", clips, served=served)
    assert counts == {"captions_encoded": 3, "clips_decoded": 3, "frames_encoded": 6}
    store = FeatureStoreDataset(filepath=str(tmp_path / "store")).load()
    for options, count in ((OPTIONS, 2), (more, 3)):
        values = read_features(clips, store, inputs(options))["frames"].values
        assert values.shape[1] == count
        np.testing.assert_allclose(values[[0, 1, 2, 4], 0, 0], [40, 120, 200, 40], atol=5)
    assert run(tmp_path / "store", clips, served=served) == NOTHING


def test_features_of_served_models_that_this_installation_cannot_make_are_told(tmp_path, clips, encoded, caplog):
    strange = replace(inputs(OPTIONS)["frames"], fingerprint="of before")
    assert run(tmp_path / "store", clips, served=[strange])["frames_encoded"] == 3
    assert "a served model reads 'frames' features of before" in caplog.text


def test_texts_are_stored_beside_vectors(tmp_path, clips, encoded, monkeypatch):
    monkeypatch.setattr(
        ScreenTextReader, "encode", lambda self, read: np.array([f"read {one!r}" for one in read], object)
    )
    options = FeaturizeOptions(extractors=FeatureOptions(**OPTIONS.extractors.root, screen_text={"frames": 1}))
    counts = run(tmp_path / "store", clips, options)
    assert counts == {"captions_encoded": 3, "clips_decoded": 3, "frames_encoded": 3, "screen_text_encoded": 3}
    store = FeatureStoreDataset(filepath=str(tmp_path / "store")).load()
    found = read_features(clips, store, inputs(options))["screen_text"]
    assert found.values.tolist() == ["read ''", "read ''", "read ''", "", "read ''"]
    assert found.present.tolist() == [True, True, True, False, True]


def test_a_crash_between_chunks_keeps_what_was_stored(tmp_path, clips, encoded, monkeypatch):
    store = tmp_path / "store"
    monkeypatch.setattr(encoding, "CHUNK", 1)
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
    np.testing.assert_allclose(read(store, clips)["frames"].values[[0, 1, 2], 0, 0], [40, 120, 200], atol=5)


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
    assert features["frames"].present.tolist() == [True, False, True]
    assert not features["frames"].values[1].any()
    np.testing.assert_allclose(features["frames"].values[[0, 2], 0, 0], [40, 200], atol=5)
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
