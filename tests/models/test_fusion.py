import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.models.fusion import Fusion, FusionOptions
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
