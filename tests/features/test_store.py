from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cu_pipeline.core.errors import StoreError
from cu_pipeline.features import part_index
from cu_pipeline.features.compaction import compact
from cu_pipeline.features.extractor import Identity
from cu_pipeline.features.store import FeatureStore, part_keys, shorten_part

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


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ({"vector": pa.array([[0.0] * 12], pa.list_(pa.float32(), 12))}, "'vector' is .*12"),
        ({"vector": pa.array([[0.0] * 6], pa.list_(pa.float64(), 6))}, "'vector' is .*double"),
        ({"vector": pa.array([[0.0] * 6], pa.list_(pa.float32()))}, "'vector' is list<"),
        ({"text": pa.array(["a"])}, "vector"),
        ({"content_key": pa.array([7]), "vector": pa.array([[0.0] * 6], pa.list_(pa.float32(), 6))}, "int64, not text"),
    ],
)
def test_a_part_of_another_width_or_type_than_its_extractors_is_named_with_the_remedy(tmp_path, column, told):
    store = FeatureStore(tmp_path)
    store.append(IDENTITY, ["a"], vectors(["a"]))
    odd = store.folder(IDENTITY) / "part-odd.parquet"
    pq.write_table(pa.table({"content_key": ["b"]} | column), odd)
    for read in (lambda: store.read(IDENTITY, ["a", "b"]), lambda: compact(store, IDENTITY, many=1)):
        with pytest.raises(StoreError, match=rf"part-odd\.parquet cannot be read \(.*{told}.*\)\. Delete this file"):
            read()
    odd.unlink()
    assert store.missing(IDENTITY, ["a", "b"]) == ["b"], "it is computed again"


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


def test_a_part_has_its_name_only_once_it_is_whole(tmp_path, monkeypatch):
    store = FeatureStore(tmp_path)
    write = pq.write_table

    def fail(table, place, **options):
        write(table, place, **options)
        assert not list(tmp_path.rglob("part-*.parquet"))
        raise OSError("the machine stops here")

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(OSError, match="the machine stops here"):
        store.append(IDENTITY, ["a"], vectors(["a"]))
    assert store.missing(IDENTITY, ["a"]) == ["a"]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "extractor.json"]


def test_of_what_two_runs_stored_the_same_is_read_in_whatever_order_the_disk_lists_it(tmp_path, monkeypatch):
    store = FeatureStore(tmp_path)
    for number in range(6):
        store.append(IDENTITY, ["a", f"k{number}"], vectors([str(number), "b"]))
    first = store.read(IDENTITY, ["a"])
    glob = type(tmp_path).glob
    monkeypatch.setattr(type(tmp_path), "glob", lambda self, pattern: sorted(glob(self, pattern), reverse=True))
    backwards = store.read(IDENTITY, ["a"])
    monkeypatch.setattr(type(tmp_path), "glob", lambda self, pattern: sorted(glob(self, pattern)))
    np.testing.assert_array_equal(backwards, first)
    np.testing.assert_array_equal(store.read(IDENTITY, ["a"]), first)


def test_one_store_sees_what_another_appends_shortens_and_removes(tmp_path):
    store, other = FeatureStore(tmp_path), FeatureStore(tmp_path)
    store.append(IDENTITY, ["a", "b"], vectors(["a", "b"]))
    assert store.missing(IDENTITY, ["a", "b", "c"]) == ["c"]
    other.append(IDENTITY, ["c"], vectors(["c"]))
    assert store.missing(IDENTITY, ["a", "b", "c"]) == []
    (part,) = (one for one in tmp_path.rglob("part-*.parquet") if "a" in part_keys(one))
    shorten_part(part, {"b"})
    assert store.missing(IDENTITY, ["a", "b", "c"]) == ["a"]
    np.testing.assert_array_equal(store.read(IDENTITY, ["c", "b"]), vectors(["c", "b"]))
    part.unlink()
    assert store.missing(IDENTITY, ["a", "b", "c"]) == ["a", "b"]


def test_keys_are_read_once_while_nothing_changes(tmp_path, monkeypatch):
    store = FeatureStore(tmp_path)
    for key in "abc":
        store.append(IDENTITY, [key], vectors([key]))
    store.missing(IDENTITY, ["a"])
    monkeypatch.setattr(part_index, "keys_of", None)
    assert store.missing(IDENTITY, ["d", "a"]) == ["d"]
    np.testing.assert_array_equal(store.read(IDENTITY, ["c", "a", "c"]), vectors(["c", "a", "c"]))
