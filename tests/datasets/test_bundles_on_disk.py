import json
from dataclasses import replace

import pytest
from kedro.io import DatasetError

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BundleError
from cu_pipeline.datasets.bundles import BundlesDataset, ServedInputs
from cu_pipeline.features.table import FeatureOptions


@pytest.fixture
def bundles(make_bundle):
    return {"topic": make_bundle(), "safety": make_bundle("safety", Kind.MULTI, ("advert",), seed=2)}


def versions(bundles):
    return {name: bundle.version for name, bundle in bundles.items()}


def test_bundles_come_back_and_those_that_are_no_more_are_gone(tmp_path, bundles):
    dataset = BundlesDataset(filepath=str(tmp_path / "bundles"))
    dataset.save(bundles)
    assert versions(dataset.load()) == versions(bundles)
    dataset.save({"topic": bundles["topic"]})
    assert [path.name for path in (tmp_path / "bundles").iterdir()] == ["topic"]
    dataset.save({})
    assert dataset.load() == {}


def test_only_a_changed_bundle_is_written_again(tmp_path, bundles):
    dataset = BundlesDataset(filepath=str(tmp_path))
    dataset.save(bundles)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*")}
    changed = bundles | {"topic": replace(bundles["topic"], temperature=3.0)}
    dataset.save(changed)
    assert versions(dataset.load()) == versions(changed)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*")}
    assert {path.parent.name for path in before if after[path] != before[path]} == {"topic"}


def test_a_damaged_bundle_is_an_error_unless_it_is_left_by_an_earlier_run_and_is_written_again(tmp_path, bundles):
    BundlesDataset(filepath=str(tmp_path)).save(bundles)
    file = tmp_path / "topic" / "bundle.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"temperature": 9.0}))
    with pytest.raises((DatasetError, BundleError), match="a file was changed"):
        BundlesDataset(filepath=str(tmp_path)).load()
    earlier = BundlesDataset(filepath=str(tmp_path), lenient=True)
    assert versions(earlier.load()) == {"safety": bundles["safety"].version}
    BundlesDataset(filepath=str(tmp_path)).save(bundles)
    assert versions(earlier.load()) == versions(bundles)


def test_the_features_that_served_bundles_read_are_each_told_once(tmp_path, bundles, make_bundle):
    assert ServedInputs(filepath=str(tmp_path)).load() == []
    other = make_bundle("mood", extracted=FeatureOptions(frames={"count": 4}, captions={}))
    BundlesDataset(filepath=str(tmp_path)).save(bundles | {"mood": other})
    wanted = [*bundles["topic"].inputs.values(), other.inputs["frames"]]
    found = ServedInputs(filepath=str(tmp_path)).load()
    assert sorted(found, key=str) == sorted(wanted, key=str)
