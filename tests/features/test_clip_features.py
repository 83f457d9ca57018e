"""Features of many clips: read once, and never copied without need."""

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.errors import StoreError
from cu_pipeline.features import clip_features
from cu_pipeline.features.clip_features import ClipFeatures, Feature, in_turn, read_features
from cu_pipeline.features.extractor import Identity
from cu_pipeline.features.pictures import Pictures
from cu_pipeline.features.store import FeatureStore

VECTORS = Identity(name="captions", version=1, shape=(3,), weights_sha256="w")
TEXTS = Identity(name="caption_text", version=1, shape=(), weights_sha256="")


def features(count=6):
    random = np.random.default_rng(0)
    return ClipFeatures(
        {
            "frames": Feature(random.normal(size=(count, 2, 3)).astype(np.float32), np.ones(count, dtype=bool)),
            "caption_text": Feature(np.array(list("abcdefghij"[:count]), dtype=object), random.random(count) < 0.5),
            "pixels": Feature(Pictures([None] * count, (1, 2, 2, 3)), np.zeros(count, dtype=bool)),
        },
        count,
    )


def test_parts_that_are_joined_again_are_the_very_memory_that_they_were():
    whole = features()
    first, rest = whole.take(slice(4)), whole.take(slice(4, None))
    assert (len(first), len(rest)) == (4, 2)
    again = first.joined(rest)
    for name in ("frames", "caption_text"):
        assert np.shares_memory(again[name].values, whole[name].values)
        np.testing.assert_array_equal(again[name].values, whole[name].values)
        np.testing.assert_array_equal(again[name].present, whole[name].present)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (slice(4, None), slice(4)),
        (slice(0, 2), slice(3, 6)),
        (slice(0, 3), slice(2, 6)),
        (slice(0, 6, 2), slice(1, 6, 2)),
        (slice(0, 0), slice(0, 6)),
        (slice(2, 4), slice(6, 6)),
        ([0, 1], [2, 3]),
    ],
)
def test_any_others_are_joined_in_their_order(first, second):
    whole = features()
    again = whole.take(first).joined(whole.take(second))
    order = np.r_[np.arange(6)[first], np.arange(6)[second]]
    np.testing.assert_array_equal(again["frames"].values, whole["frames"].values[order])
    np.testing.assert_array_equal(again["caption_text"].values, whole["caption_text"].values[order])


def test_parts_of_several_arrays_are_joined_to_a_copy_that_has_both():
    one, other = features(), features()
    again = one.take(slice(3)).joined(other.take(slice(3, None)))
    np.testing.assert_array_equal(again["frames"].values, one["frames"].values)
    assert not np.shares_memory(again["frames"].values, one["frames"].values)


def test_what_was_refused_is_zero_and_absent_and_nothing_is_copied_for_that():
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    values[1, 2] = np.nan
    left = Feature.read(values)
    assert np.isnan(values[1, 2]), "what somebody else holds stays as it is"
    taken = Feature.taken_over(values)
    assert np.shares_memory(taken.values, values)
    for found in (left, taken):
        np.testing.assert_array_equal(found.present, [True, False])
        np.testing.assert_array_equal(found.values, [[0, 1, 2], [0, 0, 0]])


def test_clips_without_content_or_feature_are_absent(tmp_path):
    store = FeatureStore(tmp_path)
    store.append(VECTORS, ["a", "b"], np.ones((2, 3), dtype=np.float32))
    store.append(TEXTS, ["a"], np.array(["word"], dtype=object))
    clips = pd.DataFrame({"text_sha256": ["b", "", "a", "c", "a"]})
    found = read_features(clips, store, {"captions": VECTORS, "caption_text": TEXTS})
    np.testing.assert_array_equal(found["captions"].present, [True, False, True, False, True])
    np.testing.assert_array_equal(found["captions"].values.sum(axis=1), [3, 0, 3, 0, 3])
    assert found["caption_text"].values.tolist() == ["", "", "word", "", "word"]
    others = pd.DataFrame({"text_sha256": ["", "c"]})
    with pytest.raises(StoreError, match=r"1 of 1 features of 'captions' are not stored \(first key c\)"):
        read_features(others, store, {"captions": VECTORS})
    assert not read_features(others, store, {"captions": VECTORS}, least=0)["captions"].present.any()
    assert not read_features(others[:1], store, {"captions": VECTORS})["captions"].present.any()


def test_many_clips_come_in_whole_blocks_whose_vectors_have_room(monkeypatch):
    monkeypatch.setattr(clip_features, "BLOCK", 4)
    monkeypatch.setattr(clip_features, "_TOGETHER", 9 * 3 * 4)
    clips = pd.DataFrame({"clip_id": range(19)})
    assert [len(some) for some in in_turn(clips, [VECTORS, TEXTS])] == [8, 8, 3]
    assert pd.concat(in_turn(clips, [VECTORS])).equals(clips)
    assert [len(some) for some in in_turn(clips, [VECTORS] * 100)] == [4, 4, 4, 4, 3]
    (few,) = in_turn(clips[:8], [VECTORS])
    assert len(few) == 8
