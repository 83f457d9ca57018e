import hashlib
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save, save_file

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.decision_goal import DecisionGoal
from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.scope import Scope
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.models.bundle import Bundle, content_keys
from cu_pipeline.models.earlier_bundle import _RENAMED


def test_a_bundle_comes_back_as_it_was(bundle, tmp_path):
    bundle.save(tmp_path)
    loaded = Bundle.load(tmp_path)
    assert loaded.version == bundle.version
    assert loaded._config == bundle._config
    assert all(np.array_equal(loaded.weights[name], value) for name, value in bundle.weights.items())


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
        replace(bundle, family="linear").version,
        replace(bundle, classes=("a", "c", "b")).version,
    }
    assert len(versions) == 5


@pytest.mark.parametrize(
    "change",
    [
        {"capability": "mood"},
        {"kind": Kind.MULTI},
        {"thresholds": {"a": 0.4}},
        {"trained_on": "other clips"},
        {"history": [{"epoch": 1, "loss": 0.5}]},
        {"learned_from": ("k",)},
        {"model": {"width": 9}},
        {"inputs": {}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_is_kept_and_decides_the_version(bundle, tmp_path, change):
    changed = replace(bundle, **change)
    assert changed.version != bundle.version
    changed.save(tmp_path)
    loaded = Bundle.load(tmp_path)
    assert {name: getattr(loaded, name) for name in change} == change
    assert loaded.version == changed.version


def test_a_clips_key_is_of_its_media_and_its_caption():
    clips = pd.DataFrame({"media_sha256": ["m", "m", "", "m", "mt"], "text_sha256": ["t", "u", "t", "t", ""]})
    keys = content_keys(clips).tolist()
    assert keys[0] == keys[3]
    assert len(set(keys)) == 4


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
        replace(bundle, model=bundle.model | {"width": 32}).load_model()


def earlier_format(bundle, folder):
    """Write a bundle as format 1 had it; give its version."""
    names = {now: before for before, now in _RENAMED.items()}

    def earlier(name):
        found = next((now for now in names if name == now or name.startswith(f"{now}.")), None)
        return name if found is None else names[found] + name[len(found) :]

    weights = {earlier(name): value for name, value in bundle.weights.items()}
    shape = {key: bundle.model[key] for key in ("classes", "width", "layers", "heads", "dropout", "modality_dropout")}
    config = {
        "format": 1,
        "capability": "topic",
        "kind": "single",
        "classes": ["a", "b", "c"],
        "head": shape | {"frames": 8, "frame_width": 1280, "caption_width": 384},
        "extractors": {
            name: {"fingerprint": one.fingerprint, "parameters": one.parameters} for name, one in bundle.inputs.items()
        },
        "temperature": 1.0,
        "thresholds": {},
        "trained_on": "these clips",
        "history": [],
        "learned_from": ["k"],
    }
    save_file(weights, folder / "model.safetensors")
    version = json_sha256([config, hashlib.sha256(save(weights)).hexdigest()])[:12]
    written = config | {"version": version, "unlabelled": ["u"]}
    (folder / "bundle.json").write_text(json.dumps(written, sort_keys=True))
    return version


def test_a_bundle_of_the_earlier_format_answers_alike_and_keeps_its_version(bundle, tmp_path):
    version = earlier_format(bundle, tmp_path)
    loaded = Bundle.load(tmp_path)
    assert (loaded.version, loaded.family, loaded.trained_on) == (version, "fusion", "these clips")
    assert (loaded.learned_from, loaded.unlabelled) == (("k",), ("u",))
    assert loaded.inputs == bundle.inputs
    random = np.random.default_rng(0)
    yes = np.ones(3, dtype=bool)
    parts = {"frames": random.normal(size=(3, 8, 1280)), "captions": random.normal(size=(3, 384))}
    features = ClipFeatures({name: Feature(one.astype(np.float32), yes) for name, one in parts.items()}, 3)
    np.testing.assert_array_equal(loaded.load_model().logits(features), bundle.load_model().logits(features))
    loaded.save(tmp_path / "now")
    again = Bundle.load(tmp_path / "now")
    assert (again.version, again._config) == (version, loaded._config)
    assert json.loads((tmp_path / "now" / "bundle.json").read_text())["format"] == 2


def test_an_edited_bundle_of_the_earlier_format_is_an_error(bundle, tmp_path):
    earlier_format(bundle, tmp_path)
    config = json.loads((tmp_path / "bundle.json").read_text())
    (tmp_path / "bundle.json").write_text(json.dumps(config | {"temperature": 3.0}))
    with pytest.raises(BundleError, match="a file was changed"):
        Bundle.load(tmp_path)


def test_a_scope_travels_with_the_bundle_and_is_no_part_of_its_version(make_bundle, tmp_path):
    plain = make_bundle()
    limited = plain.scoped(Scope(feeds=("clips.csv",), languages=("de",)))
    limited.save(tmp_path / "limited")
    plain.save(tmp_path / "plain")
    assert Bundle.load(tmp_path / "limited").scope == limited.scope
    assert limited.version == plain.version
    assert "scope" not in json.loads((tmp_path / "plain" / "bundle.json").read_text())
    assert not Bundle.load(tmp_path / "plain").scope.is_limited


def test_what_thresholds_were_set_for_travels_with_the_bundle(make_bundle, tmp_path):
    plain = make_bundle()
    careful = replace(plain, decision=DecisionGoal(target="precision", at_least=0.8))
    careful.save(tmp_path / "careful")
    plain.save(tmp_path / "plain")
    assert Bundle.load(tmp_path / "careful").decision == careful.decision
    assert careful.version == plain.version
    assert "decision" not in json.loads((tmp_path / "plain" / "bundle.json").read_text())


def test_predictions_of_unseen_clips_travel_with_the_bundle_and_are_no_weights(bundle, tmp_path):
    logits = np.array([[1.5, -1.5, 0.0], [np.nan, np.nan, np.nan]], dtype=np.float32)
    told = replace(bundle, learned_from=("aa", "bb"), cross_fitted=logits)
    told.save(tmp_path)
    loaded = Bundle.load(tmp_path)
    np.testing.assert_array_equal(loaded.cross_fitted, logits)
    assert loaded.version == told.version != bundle.version
    assert loaded.weights.keys() == bundle.weights.keys()
    loaded.load_model()
