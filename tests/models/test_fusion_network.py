import numpy as np
import pytest
import torch

from cu_pipeline.core.capability import Kind
from cu_pipeline.models.fusion_network import FusionHead, HeadConfig, HeadWithLoss, _slope
from cu_pipeline.models.fusion_trainer import KeepBest

INPUTS = {"seen": (4, 8), "said": (6,), "heard": (3, 5)}


@pytest.fixture
def head() -> FusionHead:
    torch.manual_seed(0)
    head = FusionHead(HeadConfig(classes=3, inputs=INPUTS, width=16))
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return head.eval()


@pytest.fixture
def clips():
    torch.manual_seed(1)
    values = {f"values_{name}": torch.randn(5, *shape) for name, shape in INPUTS.items()}
    return values | {f"present_{name}": torch.ones(5, dtype=torch.bool) for name in INPUTS}


def test_a_clip_does_not_depend_on_its_neighbours(head, clips):
    together = head(**clips)
    alone = torch.cat([head(**{name: part[row : row + 1] for name, part in clips.items()}) for row in range(5)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", list(INPUTS))
def test_an_absent_modality_cannot_move_the_answer(head, clips, name):
    clips[f"present_{name}"][:] = False
    before = head(**clips)
    clips[f"values_{name}"] = torch.randn_like(clips[f"values_{name}"])
    torch.testing.assert_close(head(**clips), before)


@pytest.mark.parametrize("name", list(INPUTS))
def test_every_modality_moves_the_answer(head, clips, name):
    before = head(**clips)
    clips[f"values_{name}"] = torch.randn_like(clips[f"values_{name}"])
    assert (head(**clips) - before).abs().max() > 0.01


def test_the_order_of_a_sequence_matters(head, clips):
    before = head(**clips)
    clips["values_seen"] = clips["values_seen"].flip(1)
    assert (head(**clips) - before).abs().max() > 0.01


def test_a_clip_without_anything_still_gets_an_answer(head, clips):
    for name in INPUTS:
        clips[f"present_{name}"][:] = False
    assert torch.isfinite(head(**clips)).all()


@pytest.mark.parametrize("names", [("seen",), ("seen", "said"), ("seen", "said", "heard")])
def test_training_drops_one_modality_but_never_the_last(names):
    torch.manual_seed(0)
    head = FusionHead(HeadConfig(classes=3, inputs={name: INPUTS[name] for name in names}, width=16))
    yes = torch.ones(3000, dtype=torch.bool)
    kept = torch.stack(list(head._drop_modalities(dict.fromkeys(names, yes)).values()))
    lost = (~kept).sum(0)
    assert lost.max() <= min(1, len(names) - 1)
    assert lost.float().mean() == pytest.approx(0.5 if len(names) > 1 else 0, abs=0.04)
    each = (~kept).float().mean(1)
    assert each.tolist() == pytest.approx([0.5 / len(names) if len(names) > 1 else 0] * len(names), abs=0.04)
    lone = head._drop_modalities(dict.fromkeys(names, ~yes) | {names[-1]: yes})
    assert lone[names[-1]].all()


def test_standardising_uses_the_training_clips(head):
    seen, said = torch.randn(50, 4, 8) * 3 + 5, torch.randn(50, 6)
    head.standardise("seen", seen)
    head.standardise("said", said)
    torch.testing.assert_close(head.mean_seen, seen.flatten(0, 1).mean(0))
    torch.testing.assert_close(head.scale_said, said.std(0, correction=0))


def test_the_trend_is_the_least_squares_slope_over_half_a_clip():
    steps = torch.randn(3, 5, 2)
    expected = [np.polyfit(np.linspace(-1, 1, 5), clip.numpy(), 1)[0] for clip in steps]
    np.testing.assert_allclose(_slope(steps).numpy(), expected, atol=1e-5)
    assert not _slope(torch.randn(3, 1, 2)).any()


@pytest.mark.parametrize("kind", list(Kind))
def test_the_loss_is_the_cross_entropy_with_doubtful_labels(head, clips, kind):
    labels = torch.tensor([[0.7, 0.2, 0.1], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [1, 0, 0]])
    found = HeadWithLoss(head, kind, 0.0)(labels, **clips)
    logits = head(**clips).detach().double().numpy()
    target = labels.double().numpy()
    if kind is Kind.SINGLE:
        expected = -(target * (logits - np.log(np.exp(logits).sum(1, keepdims=True)))).sum(1).mean()
    else:
        expected = (np.log1p(np.exp(logits)) - target * logits).mean()
    assert float(found["loss"].detach()) == pytest.approx(expected, rel=1e-4)


class Control:
    should_training_stop = False


@pytest.mark.parametrize(
    ("losses", "patience", "kept", "epochs"),
    [([3, 2, 2.5, 2.6, 1], 2, 2, 4), ([3, 3, 3], 2, 1, 3), ([3, 2, 2.5, 1, 5], 2, 4, 5), ([1, 2], 1, 1, 2)],
)
def test_fitting_stops_after_so_many_epochs_without_a_better_loss_and_the_best_is_brought_back(
    losses, patience, kept, epochs
):
    model, control, run = torch.nn.Linear(1, 1), Control(), 0
    keeper = KeepBest(model, patience)
    for run, loss in enumerate(losses, 1):
        torch.nn.init.constant_(model.weight, run)
        keeper.on_evaluate(None, None, control, metrics={"eval_loss": loss})
        if control.should_training_stop:
            break
    keeper.on_train_end(None, None, control)
    assert (run, model.weight.item()) == (epochs, kept)
