from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cu_pipeline.core.errors import StoreError
from cu_pipeline.features.extractor import Identity
from cu_pipeline.features.store import FeatureStore

IDENTITY = Identity(name="toy", version=1, shape=(2, 3), weights_sha256="w")


def vectors(keys: list[str]) -> np.ndarray:
    return np.stack([np.full((2, 3), float(int(key, 36) % 1000), dtype=np.float32) for key in keys])


@settings(max_examples=20)
@given(st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1), max_size=5))
def test_what_was_appended_comes_back_in_any_order(tmp_path_factory, batches):
    store = FeatureStore(tmp_path_factory.mktemp("store"))
    for batch in batches:
        missing = store.missing(IDENTITY, batch)
        if missing:
            store.append(IDENTITY, missing, vectors(missing))
    keys = sorted({key for batch in batches for key in batch}, reverse=True)
    assert store.missing(IDENTITY, keys) == []
    if keys:
        np.testing.assert_array_equal(store.read(IDENTITY, keys), vectors(keys))


def test_features_of_another_fingerprint_are_not_seen(tmp_path):
    store = FeatureStore(tmp_path)
    store.append(IDENTITY, ["a"], vectors(["a"]))
    other = replace(IDENTITY, decoder={"version": "2"})
    assert store.missing(other, ["a"]) == ["a"]


def test_missing_keys_are_given_once_and_in_order(tmp_path):
    assert FeatureStore(tmp_path).missing(IDENTITY, ["b", "a", "b"]) == ["b", "a"]


def test_an_absent_key_is_an_error_with_the_remedy(tmp_path):
    with pytest.raises(StoreError, match=r"1 of 1 features of 'toy' are not stored .*--pipelines=featurize"):
        FeatureStore(tmp_path).read(IDENTITY, ["a"])


def test_a_partial_read_gives_nan_for_what_is_not_stored_as_long_as_something_is(tmp_path):
    store = FeatureStore(tmp_path)
    with pytest.raises(StoreError):
        store.read(IDENTITY, ["a", "b"], partial=True)
    store.append(IDENTITY, ["a"], vectors(["a"]))
    found = store.read(IDENTITY, ["b", "a"], partial=True)
    assert np.isnan(found[0]).all()
    np.testing.assert_array_equal(found[1], vectors(["a"])[0])


def test_vectors_of_another_shape_are_refused(tmp_path):
    with pytest.raises(StoreError, match=r"must be float32 \(1, 2, 3\)"):
        FeatureStore(tmp_path).append(IDENTITY, ["a"], np.zeros((1, 6), dtype=np.float32))


def test_a_damaged_part_is_named_with_the_remedy(tmp_path):
    store = FeatureStore(tmp_path)
    store.append(IDENTITY, ["a"], vectors(["a"]))
    (part,) = tmp_path.rglob("part-*.parquet")
    part.write_bytes(part.read_bytes()[:50])
    with pytest.raises(StoreError, match="Delete this file"):
        store.missing(IDENTITY, ["a"])


def test_a_half_written_part_does_not_count(tmp_path):
    store = FeatureStore(tmp_path)
    store.append(IDENTITY, ["a"], vectors(["a"]))
    (part,) = tmp_path.rglob("part-*.parquet")
    part.rename(part.with_name(f".{part.name}.x.tmp"))
    assert store.missing(IDENTITY, ["a"]) == ["a"]


def test_equal_appends_give_equal_bytes(tmp_path):
    for name in ("one", "two"):
        FeatureStore(tmp_path / name).append(IDENTITY, ["a", "b"], vectors(["a", "b"]))
    one, two = (next((tmp_path / name).rglob("part-*.parquet")) for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
