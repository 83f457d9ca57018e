import io
import pickle
from functools import partial

import numpy as np
import pytest
from PIL import Image

from cu_pipeline.features.clip_features import Feature, embedding
from cu_pipeline.features.extractor import Identity, empty_values, form_of
from cu_pipeline.features.pictures import Pictures
from cu_pipeline.features.store import FeatureStore, part_keys, shorten_part

SHAPE = (3, 16, 16, 3)
IDENTITY = Identity(name="toy", version=1, shape=SHAPE, weights_sha256="w")


def jpeg(shade: int, width: int = 24, height: int = 16) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (shade, shade, shade)).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def clip(shade: int) -> tuple[bytes, ...]:
    """Three frames, each brighter than the one before."""
    return tuple(jpeg(shade + 10 * place) for place in range(3))


def shades(pictures: Pictures, row: int, frames=None) -> list[int]:
    return [round(float(one.mean())) for one in pictures.decoded(row, frames)]


@pytest.fixture
def pictures() -> Pictures:
    return Pictures([clip(20), None, clip(120)], SHAPE)


def test_pictures_have_the_shape_of_an_array_and_the_form_of_their_own(pictures):
    assert (len(pictures), pictures.shape) == (3, (3, *SHAPE))
    assert form_of(pictures.shape[1:]) == "pictures"
    assert pictures.present.tolist() == [True, False, True]


def test_rows_and_masks_choose_clips(pictures):
    assert shades(pictures[[2, 0]], 0) == [120, 130, 140]
    assert pictures[np.array([False, True, True])].present.tolist() == [False, True]
    assert len(pictures[np.array([], dtype=np.int64)]) == 0
    assert shades(pictures[1:], 1) == [120, 130, 140]


def test_frames_are_decoded_in_the_order_and_as_often_as_asked_for(pictures):
    assert shades(pictures, 0, [2, 0, 2]) == [40, 20, 40]
    assert pictures.decoded(0, [1]).shape == (1, 16, 24, 3)
    assert pictures.decoded(0).dtype == np.uint8


def test_what_is_not_wanted_is_not_read():
    def fail():
        raise AssertionError("was read")

    pictures = Pictures([fail, partial(clip, 70)], SHAPE)
    both = pictures.joined(pictures[[0]])
    assert both.present.tolist() == [True, True, True]
    assert shades(both, 1, [0]) == [70]
    with pytest.raises(AssertionError, match="was read"):
        both.encoded(2)


def test_a_clip_without_pictures_says_so(pictures):
    assert pictures.encoded(1) is None
    with pytest.raises(ValueError, match="clip 1 has no pictures"):
        pictures.decoded(1)


def test_another_number_of_frames_is_refused():
    with pytest.raises(ValueError, match="clip 1 has 2 frames instead of 3"):
        Pictures([clip(0), clip(0)[:2]], SHAPE)


def test_features_of_pictures_are_taken_and_joined_as_others_are(pictures):
    feature = Feature.read(pictures)
    assert (feature.form, feature.present.tolist()) == ("pictures", [True, False, True])
    both = feature.take([2, 1]).joined(feature)
    assert both.present.tolist() == [True, False, True, False, True]
    assert shades(both.values, 0) == [120, 130, 140]
    assert not Feature.read(empty_values(SHAPE, 2)).present.any()


def test_an_embedding_has_no_part_of_pictures(pictures):
    vectors = Feature(np.ones((3, 4), dtype=np.float32), np.ones(3, dtype=bool))
    whole, parts = embedding({"frames@1": vectors, "pixels@2": Feature.read(pictures)}, 3)
    assert (whole.shape, parts) == ((3, 4), {"frames@1": 4})


def test_the_store_gives_back_the_same_bytes_and_what_was_refused(tmp_path, pictures):
    store = FeatureStore(tmp_path)
    store.append(IDENTITY, ["a", "b", "c"], pictures)
    store.append(IDENTITY, ["d"], Pictures([clip(200)], SHAPE))
    assert store.missing(IDENTITY, ["a", "b", "c", "d", "e"]) == ["e"]
    found = store.read(IDENTITY, ["d", "e", "c", "b", "a"], partial=True)
    assert found.present.tolist() == [True, False, True, False, True]
    assert [found.encoded(row) for row in (0, 2, 4)] == [clip(200), clip(120), clip(20)]


def test_what_the_store_gives_holds_no_picture_until_one_is_wanted(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "JPEG")
    store = FeatureStore(tmp_path)
    store.append(IDENTITY, ["a"], Pictures([(stream.getvalue(),) * 3], SHAPE))
    found = store.read(IDENTITY, ["a"])
    sent = pickle.dumps(found)
    assert len(sent) < 1000 < len(stream.getvalue())
    np.testing.assert_array_equal(pickle.loads(sent).decoded(0), found.decoded(0))


def test_values_that_are_no_pictures_are_refused(tmp_path, pictures):
    from cu_pipeline.core.errors import StoreError

    with pytest.raises(StoreError, match=r"must be pictures \(1, 3, 16, 16, 3\), not float32"):
        FeatureStore(tmp_path).append(IDENTITY, ["a"], np.zeros((1, *SHAPE), dtype=np.float32))
    other = Identity(name="toy", version=1, shape=(4,), weights_sha256="")
    with pytest.raises(StoreError, match=r"must be float32 \(3, 4\), not pictures"):
        FeatureStore(tmp_path).append(other, ["a", "b", "c"], pictures)


def test_a_damaged_part_is_named_with_the_remedy(tmp_path, pictures):
    from cu_pipeline.core.errors import StoreError

    store = FeatureStore(tmp_path)
    store.append(IDENTITY, ["a", "b", "c"], pictures)
    found = store.read(IDENTITY, ["a"])
    (part,) = tmp_path.rglob("part-*.parquet")
    part.write_bytes(part.read_bytes()[:50])
    with pytest.raises(StoreError, match="Delete this file"):
        found.encoded(0)


def test_a_shortened_part_keeps_the_pictures_of_the_others(tmp_path, pictures):
    store = FeatureStore(tmp_path)
    store.append(IDENTITY, ["a", "b", "c"], pictures)
    (part,) = tmp_path.rglob("part-*.parquet")
    shorten_part(part, {"b", "c"})
    assert part_keys(part) == ["b", "c"]
    found = store.read(IDENTITY, ["c", "b"])
    assert (found.encoded(0), found.encoded(1)) == (clip(120), None)
