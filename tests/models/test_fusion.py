import numpy as np
import pytest
import torch

from cu_pipeline.core.capability import Kind
from cu_pipeline.features.clip_features import ClipFeatures
from cu_pipeline.models.fusion import Examples, fit
from cu_pipeline.models.options import TrainOptions

OPTIONS = TrainOptions(epochs=12, width=16, heads=2, learning_rate=3e-3, dropout=0.1)


def examples(n: int, seed: int, kind: Kind = Kind.SINGLE) -> Examples:
    """Clips whose class shows in the direction of time of one feature, half of them also in the caption."""
    random = np.random.default_rng(seed)
    rising = random.random(n) < 0.5
    frames = random.normal(scale=0.3, size=(n, 4, 6)).astype(np.float32)
    frames[:, :, 0] += np.where(rising[:, None], 1, -1) * np.linspace(-1, 1, 4)
    caption = random.normal(size=(n, 5)).astype(np.float32)
    yes = np.ones(n, dtype=bool)
    targets = (
        np.eye(2, dtype=np.float32)[rising.astype(int)] if kind is Kind.SINGLE else rising[:, None].astype(np.float32)
    )
    return Examples(ClipFeatures(frames, yes, caption, yes), targets)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_head_learns_what_only_the_order_of_frames_shows(kind):
    validation = examples(60, 1, kind)
    fitted = fit(examples(120, 0, kind), validation, kind, OPTIONS, seed=0)
    said = fitted.validation_logits.argmax(1) == 1 if kind is Kind.SINGLE else fitted.validation_logits[:, 0] > 0
    assert (said == (validation.targets[:, -1] == 1)).mean() > 0.9
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"]


def test_the_same_seed_gives_the_same_bytes():
    runs = [fit(examples(40, 0), examples(20, 1), Kind.SINGLE, OPTIONS, seed=3) for _ in range(2)]
    assert all(torch.equal(runs[0].weights[name], value) for name, value in runs[1].weights.items())
    other = fit(examples(40, 0), examples(20, 1), Kind.SINGLE, OPTIONS, seed=4)
    assert any(not torch.equal(runs[0].weights[name], value) for name, value in other.weights.items())


def test_the_best_epoch_is_kept():
    patient = TrainOptions(epochs=8, width=16, heads=2, learning_rate=0.1, patience=8)
    validation = examples(30, 1)
    fitted = fit(examples(40, 0), validation, Kind.SINGLE, patient, seed=0)
    loss = float(
        torch.nn.functional.cross_entropy(torch.tensor(fitted.validation_logits), torch.tensor(validation.targets))
    )
    assert loss == pytest.approx(min(row["val_loss"] for row in fitted.history), rel=1e-3)


def test_no_validation_clips_keeps_the_last_epoch():
    fitted = fit(examples(40, 0), examples(0, 1), Kind.SINGLE, OPTIONS, seed=0)
    assert fitted.validation_logits.shape == (0, 2)
    assert len(fitted.history) == OPTIONS.epochs
