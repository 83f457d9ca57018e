import json
from dataclasses import replace

import pytest
import torch

from cu_pipeline.core.errors import BundleError
from cu_pipeline.models.bundle import Bundle


def test_a_bundle_comes_back_as_it_was(bundle, tmp_path):
    bundle.save(tmp_path)
    loaded = Bundle.load(tmp_path)
    assert loaded.version == bundle.version
    assert loaded.config == bundle.config
    assert all(torch.equal(loaded.weights[name], value) for name, value in bundle.weights.items())


@pytest.mark.parametrize("unlabelled", [None, (), ("k1", "k2")])
def test_what_had_no_label_is_kept_and_changes_no_version(bundle, tmp_path, unlabelled):
    told = replace(bundle, unlabelled=unlabelled)
    told.save(tmp_path)
    loaded = Bundle.load(tmp_path)
    assert (loaded.unlabelled, loaded.version) == (unlabelled, bundle.version)


def test_equal_bundles_have_equal_bytes(bundle, tmp_path):
    for name in ("one", "two"):
        bundle.save(tmp_path / name)
    for file in ("bundle.json", "model.safetensors"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_any_change_changes_the_version(bundle):
    changed = {name: value + 1 if name == "out.bias" else value for name, value in bundle.weights.items()}
    versions = {
        bundle.version,
        replace(bundle, weights=changed).version,
        replace(bundle, temperature=2.0).version,
        replace(bundle, classes=("a", "c", "b")).version,
    }
    assert len(versions) == 4


def test_a_folder_without_its_json_is_not_a_bundle(bundle, tmp_path):
    bundle.save(tmp_path)
    (tmp_path / "bundle.json").unlink()
    with pytest.raises(BundleError, match="Run `make run`"):
        Bundle.load(tmp_path)


@pytest.mark.parametrize("damage", ["weights", "json"])
def test_a_damaged_file_is_an_error(bundle, tmp_path, damage):
    bundle.save(tmp_path)
    file = tmp_path / ("model.safetensors" if damage == "weights" else "bundle.json")
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(BundleError, match="no usable bundle"):
        Bundle.load(tmp_path)


def test_an_edited_bundle_is_an_error(bundle, tmp_path):
    bundle.save(tmp_path)
    config = json.loads((tmp_path / "bundle.json").read_text())
    (tmp_path / "bundle.json").write_text(json.dumps(config | {"temperature": 3.0}))
    with pytest.raises(BundleError, match="a file was changed"):
        Bundle.load(tmp_path)


def test_weights_of_another_shape_are_an_error(bundle):
    with pytest.raises(BundleError, match="do not fit"):
        replace(bundle, head=bundle.head | {"width": 32}).network()
