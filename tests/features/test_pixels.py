import io
import pickle

import numpy as np
import pytest
from PIL import Image

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core import counters
from cu_pipeline.features.encoding import prepare_media
from cu_pipeline.features.extract import extract_missing
from cu_pipeline.features.frame_encoder import FrameEncoder
from cu_pipeline.features.pixels import PixelKeeper, fitting_sides
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.media import pictures as jpegs
from cu_pipeline.media.decoding import sample_frames
from cu_pipeline.media.options import Limits


def kept(keeper: PixelKeeper, path):
    return keeper.encode([prepare_media(str(path), {"pixels": keeper})["pixels"]])


def test_frames_are_those_of_the_clip_spread_evenly_over_its_time(encode):
    clip = encode(frames=50, width=64, height=48, codec="mpeg4", qscale="1")
    found = kept(PixelKeeper(count=5, size=48), clip).decoded(0)
    assert found.shape == (5, 48, 64, 3)
    frames = sample_frames(clip, 5, 48).mean(axis=1), np.stack([one.mean(axis=0) for one in found])
    brightest = [[int(row[:, 2].argmax() / row.shape[0] * 64) for row in one] for one in frames]
    np.testing.assert_allclose(brightest[0], brightest[1], atol=4)
    assert len(set(brightest[1])) == 5


def test_sides_keep_their_ratio_and_are_turned_as_the_clip_is_shown(encode, turned):
    clip = turned(encode(frames=6, width=96, height=48))
    assert kept(PixelKeeper(count=2, size=32), clip).decoded(0).shape == (2, 64, 32, 3)
    assert kept(PixelKeeper(count=2, size=256), clip).decoded(0).shape == (2, 96, 48, 3)


def test_an_extreme_ratio_is_kept_within_three_times_the_size():
    assert fitting_sides(300, 3000, 100) == (30, 300)
    assert fitting_sides(1, 5000, 100) == (1, 300)


def test_a_short_clip_repeats_its_frames_without_writing_them_again(encode, monkeypatch):
    written = []
    monkeypatch.setattr(
        jpegs, "jpeg", lambda image, quality, write=jpegs.jpeg: written.append(1) or write(image, quality)
    )
    found = kept(PixelKeeper(count=8, size=32), encode(frames=2))
    assert (len(found.encoded(0)), len(set(found.encoded(0))), len(written)) == (8, 2, 2)


def test_frames_of_another_resolution_get_the_sides_of_the_first():
    images = [np.full((20, 30, 3), 10, dtype=np.uint8), np.full((40, 20, 3), 200, dtype=np.uint8)]
    keeper = PixelKeeper(count=2, size=16)
    found = keeper.encode([keeper.prepare(images)]).decoded(0)
    assert found.shape == (2, 20, 30, 3)
    np.testing.assert_allclose(found.mean(axis=(1, 2, 3)), [10, 200], atol=1)


def test_quality_is_that_of_the_files(encode):
    clip = encode(frames=3)
    sizes = [sum(map(len, kept(PixelKeeper(count=3, size=48, quality=one), clip).encoded(0))) for one in (30, 60, 95)]
    assert sizes == sorted(set(sizes))
    with Image.open(io.BytesIO(kept(PixelKeeper(count=1), clip).encoded(0)[0])) as image:
        assert image.format == "JPEG"


@pytest.mark.parametrize("change", [{"count": 16}, {"size": 128}, {"quality": 80}], ids=str)
def test_all_that_decides_the_pictures_is_in_their_key(change):
    assert PixelKeeper(**change).identity.fingerprint != PixelKeeper().identity.fingerprint


def test_encoder_and_decoder_are_in_the_key(monkeypatch):
    import av
    import PIL

    before = PixelKeeper().identity
    assert before.decoder["version"] == av.__version__
    monkeypatch.setattr(PIL, "__version__", "0.1")
    assert PixelKeeper().identity.fingerprint != before.fingerprint


def test_it_is_off_where_nothing_is_said():
    assert "pixels" not in build_all(FeatureOptions())
    assert build_all(FeatureOptions(pixels={}))["pixels"].parameters == {"count": 32, "size": 256, "quality": 90}


def test_a_clip_is_decoded_once_beside_other_extractors_and_not_again(encode, tmp_path, monkeypatch):
    monkeypatch.setattr(
        FrameEncoder, "encode", lambda self, given: np.zeros((len(given), *self.identity.shape), dtype=np.float32)
    )
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\x00\x00\x00\x18ftypmp42 not a film")
    contents = {"media": {"good": str(encode(frames=6)), "bad": str(broken)}, "text": {}}
    extractors = [FrameEncoder(count=2, size=64), PixelKeeper(count=4, size=32)]
    store = FeatureStore(tmp_path / "store")
    counters.reset()
    for chunk in extract_missing(extractors, contents, store, Limits(), LocalMapper(1)):
        store.append(chunk.identity, chunk.keys, chunk.values)
    assert counters.counts() == {"clips_decoded": 2, "frames_encoded": 1, "pixels_encoded": 1}
    found = store.read(extractors[1].identity, ["bad", "good"])
    assert found.present.tolist() == [False, True]
    assert found.decoded(1).shape == (4, 32, 43, 3)
    assert list(extract_missing(extractors, contents, store, Limits(), LocalMapper(1))) == []


def test_workers_get_parameters_only():
    keeper = PixelKeeper(count=3)
    assert pickle.loads(pickle.dumps(keeper)).identity == keeper.identity
    assert len(pickle.dumps(keeper)) < 1000
