import pickle
from dataclasses import replace

import numpy as np
import pytest

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.features.caption_encoder import CaptionEncoder
from cu_pipeline.features.frame_encoder import FrameEncoder
from cu_pipeline.features.table import FeatureOptions, build, build_all


@pytest.fixture(scope="module")
def captions() -> CaptionEncoder:
    return CaptionEncoder()


def test_captions_of_like_meaning_lie_close(captions):
    dog, puppy, stocks = captions.encode(["a dog runs in the park", "puppy playing outside", "stock markets fell"])
    assert dog @ puppy > dog @ stocks + 0.2


def test_a_caption_does_not_depend_on_its_neighbours(captions):
    alone = captions.encode(["short"])
    beside = captions.encode(["a much longer caption about nothing at all, but with many words", "short"])[1:]
    np.testing.assert_allclose(alone, beside, atol=1e-5)
    assert np.linalg.norm(alone) == pytest.approx(1, abs=1e-5)


def test_frames_have_the_promised_shape_and_ignore_their_neighbours():
    encoder = FrameEncoder(count=2, size=64)
    random = np.random.default_rng(0)
    clips = [random.integers(0, 255, (2, 64, 64, 3), dtype=np.uint8) for _ in range(2)]
    both = encoder.encode(clips)
    assert both.shape == (2, *encoder.identity.shape)
    np.testing.assert_allclose(encoder.encode(clips[1:])[0], both[1], atol=1e-4)


def test_workers_get_no_network():
    encoder = FrameEncoder(count=1, size=64)
    encoder.encode([np.zeros((1, 64, 64, 3), dtype=np.uint8)])
    assert len(pickle.dumps(encoder)) < 500
    assert pickle.loads(pickle.dumps(encoder)).identity == encoder.identity


def test_other_processes_get_no_caption_network(captions):
    captions.encode(["loads it"])
    assert len(pickle.dumps(captions)) < 500
    assert pickle.loads(pickle.dumps(captions)).identity == captions.identity


def test_features_repeat_whatever_the_number_of_threads(monkeypatch):
    clips = [np.random.default_rng(0).integers(0, 255, (9, 64, 64, 3), dtype=np.uint8)]
    texts = [f"{'word ' * (length % 17)}{length}" for length in range(50)]
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        found.append((FrameEncoder(count=9, size=64).encode(clips), CaptionEncoder().encode(texts)))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"version": 2},
        {"shape": (9, 1280)},
        {"weights_sha256": "0" * 64},
        {"parameters": {"count": 9}},
        {"decoder": {"name": "pyav", "version": "0"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_everything_that_decides_a_feature_is_in_its_key(change):
    identity = FrameEncoder().identity
    assert replace(identity, **change).fingerprint != identity.fingerprint


def test_the_decoder_and_its_version_are_in_the_key():
    import av

    assert FrameEncoder().identity.decoder["version"] == av.__version__


def test_parameters_make_the_same_extractor_again():
    for name, extractor in build_all(FeatureOptions()).items():
        assert build(name, extractor.parameters).identity == extractor.identity


def test_an_unknown_extractor_is_named_with_the_allowed_ones():
    with pytest.raises(ConfigurationError, match=r"'sounds' is unknown; allowed: frames, motion, captions"):
        build("sounds", {})
