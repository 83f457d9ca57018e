import subprocess
import sys

import numpy as np
import pytest
import torch
from tests.models.conftest import features_of

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BundleError
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.models.fusion import Fusion, FusionOptions, fitted_head
from cu_pipeline.models.fusion_graph import PRESENT, VALUES, fusion_model
from cu_pipeline.models.fusion_network import FusionHead, HeadConfig
from cu_pipeline.models.probabilities import logits_loss

OPTIONS = FusionOptions(epochs=12, width=16, heads=2, learning_rate=3e-3, dropout=0.1)


def fit(train, validation, kind=Kind.SINGLE, options=OPTIONS, seed=0):
    fitted = Fusion().fit(train, validation, kind, options, seed)
    return fitted, Fusion().load(fitted.config, fitted.weights).logits(validation.features)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_head_learns_what_only_the_order_of_frames_shows(examples, kind):
    validation = examples(60, 1, kind)
    fitted, logits = fit(examples(120, 0, kind), validation, kind)
    said = logits.argmax(1) == 1 if kind is Kind.SINGLE else logits[:, 0] > 0
    assert (said == (validation.targets[:, -1] == 1)).mean() > 0.9
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"]


def test_the_same_seed_gives_the_same_bytes(examples):
    quick = OPTIONS.model_copy(update={"epochs": 3})
    runs = [fit(examples(40, 0), examples(20, 1), options=quick, seed=3)[0] for _ in range(2)]
    assert all(np.array_equal(runs[0].weights[name], value) for name, value in runs[1].weights.items())
    other = fit(examples(40, 0), examples(20, 1), options=quick, seed=4)[0]
    assert any(not np.array_equal(runs[0].weights[name], value) for name, value in other.weights.items())


def test_the_best_epoch_is_kept(examples):
    patient = FusionOptions(epochs=8, width=16, heads=2, learning_rate=0.1, patience=8)
    validation = examples(30, 1)
    fitted, logits = fit(examples(40, 0), validation, options=patient)
    loss = 2 * logits_loss(logits, validation.targets, Kind.SINGLE)  # a mean over clips, not over classes too
    assert loss == pytest.approx(min(row["val_loss"] for row in fitted.history), rel=1e-3)


def test_no_validation_clips_keeps_the_last_epoch(examples):
    fitted, logits = fit(examples(40, 0), examples(0, 1), options=OPTIONS.model_copy(update={"epochs": 3}))
    assert logits.shape == (0, 2)
    assert [row["epoch"] for row in fitted.history] == [1, 2, 3]


def test_clips_that_lack_a_feature_have_no_part_in_its_mean_and_scale(told_examples):
    train = told_examples(40, 0)
    fitted, _ = fit(train, told_examples(0, 1), options=OPTIONS.model_copy(update={"epochs": 1}))
    for name in ("frames", "captions"):
        feature = train.features[name]
        known = feature.values[feature.present].reshape(-1, feature.values.shape[-1])
        assert 0 < feature.present.sum() < len(train)
        np.testing.assert_allclose(fitted.weights[f"mean_{name}"], known.mean(0), atol=1e-5)
        np.testing.assert_allclose(fitted.weights[f"scale_{name}"], known.std(0), rtol=1e-4)


@pytest.mark.parametrize(
    ("inputs", "layers"),
    [({"seen": (4, 8), "said": (6,), "heard": (3, 5)}, 2), ({"still": (1, 8)}, 1), ({"said": (6,)}, 1)],
)
def test_the_graph_gives_what_the_fitted_head_gives(inputs, layers):
    torch.manual_seed(0)
    head = FusionHead(HeadConfig(classes=3, inputs=inputs, width=16, heads=2, layers=layers))
    for value in head.state_dict().values():
        value.copy_(torch.randn_like(value).abs() + 0.5 if value.ndim == 1 else torch.randn_like(value) * 0.3)
    fitted = fitted_head(head.eval(), [])
    random = np.random.default_rng(1)
    here = random.random((len(inputs), 40)) < 0.6
    parts = {
        name: Feature(random.normal(size=(40, *shape)).astype(np.float32), here[place])
        for place, (name, shape) in enumerate(inputs.items())
    }
    given = {VALUES + name: torch.from_numpy(one.values) for name, one in parts.items()}
    given |= {PRESENT + name: torch.from_numpy(one.present) for name, one in parts.items()}
    expected = head(**given).detach().numpy()
    found = Fusion().load(fitted.config, fitted.weights).logits(ClipFeatures(parts, 40))
    assert expected.std() > 0.5
    np.testing.assert_allclose(found, expected, atol=1e-4)
    config = fitted.config | {"inputs": dict(fitted.config["inputs"])}
    assert fusion_model(config, fitted.weights) == fusion_model(config, fitted.weights)


def test_many_clips_are_scored_as_few_are():
    head = FusionHead(HeadConfig(classes=2, inputs={"seen": (2, 4)}, width=8, heads=1))
    torch.nn.init.normal_(head.out.weight)
    model = Fusion().load(*(lambda one: (one.config, one.weights))(fitted_head(head, [])))
    clips = features_of(seen=np.random.default_rng(0).normal(size=(1100, 2, 4)).astype(np.float32))
    many = model.logits(clips)
    assert many.shape == (1100, 2)
    np.testing.assert_allclose(many[1090:], model.logits(clips.take(range(1090, 1100))), atol=1e-5)


@pytest.mark.parametrize("wrong", [{"place": None}, {"out.bias": (3,)}, {"more": (1,)}])
def test_weights_that_do_not_fit_are_named(wrong):
    head = FusionHead(HeadConfig(classes=2, inputs={"seen": (2, 4)}, width=8, heads=1))
    fitted = fitted_head(head, [])
    weights = dict(fitted.weights) | {name: np.zeros(shape or (), dtype=np.float32) for name, shape in wrong.items()}
    weights = {name: value for name, value in weights.items() if wrong.get(name, ()) is not None}
    (name,) = wrong
    with pytest.raises(BundleError, match=f"do not fit the fusion head: 1 of them differ; {name} has shape"):
        Fusion().load(fitted.config, weights)


def test_answering_needs_no_torch(tmp_path):
    script = """
import sys
import numpy as np
sys.modules["torch"] = None
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.models.families import packages_of
from cu_pipeline.models.fusion import Fusion
weights = dict(np.load(sys.argv[1]))
config = {"classes": 2, "inputs": [["seen", [2, 4]]], "width": 8, "layers": 1, "heads": 1}
seen = Feature(np.ones((3, 2, 4), dtype=np.float32), np.ones(3, dtype=bool))
assert Fusion().load(config, weights).logits(ClipFeatures({"seen": seen}, 3)).shape == (3, 2)
assert packages_of("fusion", config) == set()
"""
    head = FusionHead(HeadConfig(classes=2, inputs={"seen": (2, 4)}, width=8, heads=1))
    np.savez(tmp_path / "weights.npz", **fitted_head(head, []).weights)
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "weights.npz")], check=True)
