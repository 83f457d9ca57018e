import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BundleError
from cu_pipeline.models.family import Examples
from cu_pipeline.models.linear import Linear, LinearOptions


def fit(train, validation, kind=Kind.SINGLE, options=LinearOptions()):  # noqa: B008
    fitted = Linear().fit(train, validation, kind, options, seed=0)
    return fitted, Linear().load(fitted.config, fitted.weights)


@pytest.mark.parametrize("kind", list(Kind))
def test_it_learns_from_whatever_modality_a_clip_has(told_examples, kind):
    validation = told_examples(80, 1, kind)
    _, model = fit(told_examples(160, 0, kind), validation, kind)
    logits = model.logits(validation.features)
    said = logits.argmax(1) == 1 if kind is Kind.SINGLE else logits[:, 0] > 0
    right = said == (validation.targets[:, -1] == 1)
    seen = validation.features["frames"].present
    assert min(right[seen].mean(), right[~seen].mean()) > 0.9


def test_the_strength_with_the_best_validation_loss_is_kept(examples):
    train, validation = examples(60, 0), examples(60, 1)  # nothing to be learned: the strongest penalty is best
    fitted, _ = fit(train, validation, options=LinearOptions(strengths=(1e4, 1e-4)))
    losses = [row["val_loss"] for row in fitted.history]
    assert losses[1] < losses[0]
    assert np.abs(fitted.weights["coefficients"]).max() < 0.01


def test_without_validation_clips_the_first_strength_is_taken(told_examples):
    fitted, _ = fit(told_examples(40, 0), told_examples(0, 1), options=LinearOptions(strengths=(0.5, 7.0)))
    assert [row["strength"] for row in fitted.history] == [0.5]


def test_doubtful_labels_weigh_less(told_examples):
    sure = told_examples(100, 0)
    doubtful = Examples(sure.features, 0.6 * sure.targets + 0.2)
    logits = [fit(train, told_examples(0, 1))[1].logits(sure.features) for train in (sure, doubtful)]
    spread = [np.abs(one[:, 1] - one[:, 0]).mean() for one in logits]
    assert spread[1] < spread[0]


def test_a_class_without_training_clips_is_never_answered(told_examples):
    train = told_examples(60, 0)
    wider = Examples(train.features, np.concatenate([train.targets, np.zeros((60, 1), np.float32)], axis=1))
    logits = fit(wider, told_examples(0, 1))[1].logits(train.features)
    assert (logits.argmax(1) < 2).all()


def test_one_class_alone_is_always_answered(told_examples):
    train = told_examples(20, 0)
    only = Examples(train.features, np.tile(np.float32([0, 1]), (20, 1)))
    assert (fit(only, told_examples(0, 1))[1].logits(train.features).argmax(1) == 1).all()


def test_weights_of_other_inputs_are_refused(told_examples):
    fitted, _ = fit(told_examples(40, 0), told_examples(0, 1))
    with pytest.raises(BundleError, match="not those of a linear model of frames"):
        Linear().load({"inputs": ["frames"]}, fitted.weights)
