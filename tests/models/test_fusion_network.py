import pytest
import torch


@pytest.fixture
def clips():
    torch.manual_seed(1)
    yes = torch.ones(5, dtype=torch.bool)
    return [torch.randn(5, 4, 8), yes, torch.randn(5, 6), yes.clone()]


def test_a_clip_does_not_depend_on_its_neighbours(head, clips):
    together = head(*clips)
    alone = torch.cat([head(*(part[row : row + 1] for part in clips)) for row in range(5)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("content", "presence"), [(0, 1), (2, 3)], ids=["frames", "caption"])
def test_an_absent_modality_cannot_move_the_answer(head, clips, content, presence):
    clips[presence][:] = False
    before = head(*clips)
    clips[content] = torch.randn_like(clips[content])
    torch.testing.assert_close(head(*clips), before)


def test_the_order_of_frames_matters(head, clips):
    before = head(*clips)
    clips[0] = clips[0].flip(1)
    assert (head(*clips) - before).abs().max() > 0.01


def test_a_clip_without_anything_still_gets_an_answer(head, clips):
    clips[1][:], clips[3][:] = False, False
    assert torch.isfinite(head(*clips)).all()


def test_training_drops_one_modality_but_never_both(head):
    head.train()
    yes = torch.ones(2000, dtype=torch.bool)
    frames, caption = head._drop_modalities(yes, yes)
    assert (frames | caption).all()
    assert 0.4 < (~frames | ~caption).float().mean() < 0.6
    only_text = head._drop_modalities(~yes, yes)[1]
    assert only_text.all()


def test_standardising_uses_the_training_clips(head):
    frames, captions = torch.randn(50, 4, 8) * 3 + 5, torch.randn(50, 6)
    head.standardise(frames, captions)
    torch.testing.assert_close(head.frame_mean, frames.flatten(0, 1).mean(0))
    torch.testing.assert_close(head.caption_scale, captions.std(0, correction=0))
