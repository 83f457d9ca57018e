"""A project's stores on a bucket: what is published, fetched and removed there."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.place_cache import PlaceCache
from cu_pipeline.core.stores import StoresOptions
from cu_pipeline.features.extractor import Identity
from cu_pipeline.features.shared_parts import SharedParts
from cu_pipeline.features.store import FeatureStore, publish_parts
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.tracking.catalog_files import catalog_files
from cu_pipeline.tracking.retention.project import Project, RetentionOptions
from cu_pipeline.tracking.retention.shared_features import shared_features, unpublished_parts
from cu_pipeline.tracking.shared_stores import STORES, SharedStores

PLACES = {
    "clips": "data/clips.parquet",
    "features": "data/04_feature",
    "bundles": "data/bundles",
    "champions": "data/06_models/champions",
    "promotions": "data/06_models/promotions.jsonl",
    "gate_tests": "data/06_models/gate_tests.jsonl",
    "served_quality": "data/06_models/quality.json",
    "metrics": "data/08_reporting/metrics.json",
}
FILES = catalog_files({name: {"type": "x.Y", "filepath": path} for name, path in PLACES.items()})
TOY = Identity("toy", 1, (2,), "w")


def ones(identity: Identity, count: int) -> np.ndarray:
    return np.ones((count, *identity.shape), dtype=np.float32)


def project(root: Path, address: str, *, later: float, **options: bool) -> Project:
    retention, now = RetentionOptions(days=0, **options), datetime.now(UTC) + timedelta(days=later)
    return Project(root, retention, FILES, FeatureOptions(), root / "bento", now, StoresOptions(features=address))


def test_what_a_run_wrote_is_published_and_comes_back_elsewhere(bucket, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    for name in ("champions", "promotions", "metrics"):
        path = here / PLACES[name] / "topic/bundle.json" if name == "champions" else here / PLACES[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    options = StoresOptions(champions=f"{bucket}/champions", reports=f"{bucket}/reports")
    stores = SharedStores(here, options, FILES)
    assert stores.after_run({"clips"}) == []
    assert stores.after_run({"promotions", "metrics"}) == [
        f"champions: 2 files sent to {bucket}/champions",
        f"reports: 1 files sent to {bucket}/reports",
    ]
    elsewhere = replace(stores, root=there)
    for name in ("champions", "reports"):
        elsewhere.pull(name)
    assert (there / PLACES["champions"] / "topic/bundle.json").read_text() == "champions"
    assert (there / PLACES["promotions"]).read_text() == "promotions"
    assert (there / PLACES["metrics"]).read_text() == "metrics"


def test_a_store_without_an_address_is_named_with_the_remedy(tmp_path):
    for name in STORES:
        with pytest.raises(ConfigurationError, match=rf"'stores\.{name}' is not set: give it an address"):
            SharedStores(tmp_path, StoresOptions(), FILES).push(name)


def test_a_local_store_is_taken_to_a_shared_place_once(bucket, tmp_path):
    local, shared = FeatureStore(tmp_path / "local"), SharedParts(f"{bucket}/features")
    local.append(TOY, ["a", "b"], ones(TOY, 2))
    local.append(TOY, ["c"], ones(TOY, 1))
    assert publish_parts(tmp_path / "local", shared) == 2
    assert publish_parts(tmp_path / "local", shared) == 0
    assert FeatureStore(f"{bucket}/features").missing(TOY, ["a", "b", "c", "d"]) == ["d"]


def test_what_no_manifest_names_goes_when_it_is_a_day_old(bucket, tmp_path):
    address = f"{bucket}/features"
    store = FeatureStore(address)
    store.append(TOY, ["a"], ones(TOY, 1))
    shelf = store.shared.shelf(TOY.name, TOY.fingerprint)
    from cu_pipeline.core.places import file_system

    system, folder = file_system(shelf.address)
    system.pipe_file(f"{folder}/part-of-the-killed.parquet", b"half")
    assert list(unpublished_parts(project(tmp_path, address, later=0.9))) == []
    (found,) = unpublished_parts(project(tmp_path, address, later=1.1))
    assert (found.what, found.size) == (f"{shelf.address}/part-of-the-killed.parquet", 4)
    found.remove()
    assert list(unpublished_parts(project(tmp_path, address, later=1.1))) == []
    assert store.missing(TOY, ["a", "b"]) == ["b"]


def test_features_that_the_project_does_not_use_go_only_where_no_other_project_may(bucket, tmp_path):
    address, used = f"{bucket}/features", build_all(FeatureOptions())["captions"].identity
    store = FeatureStore(address, PlaceCache(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    pd.DataFrame({"media_sha256": ["m"], "text_sha256": ["t"]}).to_parquet(tmp_path / PLACES["clips"])
    store.append(used, ["t", "gone"], ones(used, 2))
    store.append(TOY, ["t"], ones(TOY, 1))
    assert list(shared_features(project(tmp_path, address, later=1))) == []
    for one in shared_features(project(tmp_path, address, later=1, shared_features=True)):
        one.remove()
    assert store.missing(used, ["t", "gone"]) == ["gone"]
    assert store.missing(TOY, ["t"]) == ["t"]
    assert list(shared_features(project(tmp_path, address, later=1, shared_features=True))) == []
