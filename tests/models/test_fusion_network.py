import pytest
import torch

from cu_pipeline.models.fusion_network import FusionHead, HeadConfig

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
