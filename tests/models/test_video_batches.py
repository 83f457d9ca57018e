"""Batches of tiny clips for tiny classifiers that are built here, with random weights."""

import io

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from transformers.models.auto.modeling_auto import MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.features.clip_processor import ClipProcessor
from cu_pipeline.features.pictures import Pictures
from cu_pipeline.models.video_batches import (
    AugmentOptions,
    EvaluationViews,
    TrainingViews,
    VideoInput,
    centre_frames,
    mean_over_views,
    random_frames,
    read_clips,
)

SIDE = 32
PROCESSOR = ClipProcessor(shorter=SIDE, crop=(SIDE, SIDE), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
SAME = AugmentOptions(least_area=1, colour=0)

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "num_labels": 2}
TINY = {
    "videomae": {"image_size": SIDE, "patch_size": 8, "num_frames": 4, "tubelet_size": 2},
    "timesformer": {"image_size": SIDE, "patch_size": 8, "num_frames": 4},
    "vivit": {"image_size": SIDE, "tubelet_size": [2, 8, 8], "num_frames": 4},
    "vjepa2": {
        "crop_size": SIDE, "patch_size": 8, "frames_per_clip": 4, "mlp_ratio": 2.0, "pred_hidden_size": 16,
        "pred_num_attention_heads": 2, "pred_num_hidden_layers": 1, "num_pooler_layers": 1,
    },
    "videoprism_vision_model": {
        "image_size": SIDE, "tubelet_size": [1, 8, 8], "num_frames": 4, "num_spatial_layers": 1,
        "num_temporal_layers": 1, "num_auxiliary_layers": 1,
    },
}  # fmt: skip


def tiny(kind: str, **options) -> torch.nn.Module:
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **SMALL | TINY[kind] | options)
    return getattr(transformers, MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES[kind])(config)


def jpeg(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def moving(start: int, *, backwards: bool, count: int = 8, height: int = 32, width: int = 32) -> tuple[bytes, ...]:
    """Frames of a bright square that moves from left to right; backwards, the same ones in the opposite order."""
    frames = []
    for number in range(count):
        image = np.full((height, width, 3), 30, dtype=np.uint8)
        left = number * (width - 10) // (count - 1)
        image[start : start + 10, left : left + 10] = 220
        frames.append(jpeg(image))
    return tuple(reversed(frames) if backwards else frames)


def clips_of(*clips) -> Pictures:
    return Pictures(list(clips), (8, SIDE, SIDE, 3))


def test_every_video_classifier_of_transformers_takes_such_batches():
    assert set(TINY) == set(MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES)
    pictures = clips_of(moving(3, backwards=False, width=48), moving(9, backwards=True))
    for kind in TINY:
        model = tiny(kind).eval()
        takes = VideoInput.of(model)
        batch = EvaluationViews(PROCESSOR)(read_clips(pictures, [0, 1], takes.frames))
        assert batch.shape == (2, 4, 3, SIDE, SIDE)
        with torch.no_grad():
            assert mean_over_views(model(**{takes.name: batch}).logits, 1).shape == (2, 2)


def test_what_is_no_video_classifier_is_told():
    config = transformers.AutoConfig.for_model("bert", hidden_size=8, num_attention_heads=2, num_hidden_layers=1)
    with pytest.raises(ConfigurationError, match="type 'bert' names neither num_frames nor frames_per_clip"):
        VideoInput.of(transformers.BertModel(config))


@pytest.mark.parametrize(("stored", "wanted"), [(32, 16), (32, 20), (8, 8), (5, 8), (1, 4)])
def test_a_random_frame_comes_from_each_segment(stored, wanted):
    torch.manual_seed(0)
    drawn = np.array([random_frames(stored, wanted) for _ in range(200)])
    segments = np.arange(wanted) * stored // wanted, (np.arange(wanted) + 1) * stored // wanted
    assert (drawn >= segments[0]).all()
    assert (drawn < np.maximum(segments[1], segments[0] + 1)).all()
    seen = [len(set(column)) for column in drawn.T]
    assert seen == np.maximum(segments[1] - segments[0], 1).tolist()
    assert (np.diff(centre_frames(stored, wanted)) >= 0).all()


def test_frames_are_read_in_order_and_clips_keep_their_sides():
    pictures = clips_of(moving(3, backwards=False, width=48), None)
    wide, absent = read_clips(pictures, [0, 1], 4)
    assert (wide.shape, wide.dtype) == ((4, 3, 32, 48), torch.uint8)
    brightest = [int(frame[0].float().mean(0).argmax()) for frame in wide]
    assert brightest == sorted(set(brightest))
    assert absent.shape == (4, 3, 0, 0)


def test_a_clip_without_pictures_is_zeros_and_changes_no_other():
    pictures = clips_of(moving(3, backwards=False), None, moving(9, backwards=True))
    views = EvaluationViews(PROCESSOR, 3)
    batch = views(read_clips(pictures, [0, 1, 2], 4))
    assert batch.shape == (9, 4, 3, SIDE, SIDE)
    assert not batch[3:6].any()
    torch.testing.assert_close(batch[[0, 1, 2, 6, 7, 8]], views(read_clips(pictures, [0, 2], 4)))
    trained = TrainingViews(PROCESSOR, AugmentOptions())(read_clips(pictures, [1, 2], 4))
    assert (bool(trained[0].any()), bool(trained[1].any())) == (False, True)
    assert not TrainingViews(PROCESSOR, AugmentOptions())(read_clips(pictures, [1], 4)).any()


def test_clips_of_several_sides_come_out_in_their_order():
    pictures = clips_of(
        moving(3, backwards=False, width=48), moving(9, backwards=True), moving(5, backwards=False, width=48)
    )
    views = EvaluationViews(PROCESSOR)
    together = views(read_clips(pictures, [0, 1, 2], 4))
    alone = torch.cat([views(read_clips(pictures, [row], 4)) for row in range(3)])
    torch.testing.assert_close(together, alone)


def test_training_changes_all_frames_of_a_clip_alike_and_clips_each_in_its_way():
    still = np.random.default_rng(0).integers(0, 255, (8, 12, 3), dtype=np.uint8).repeat(5, 0).repeat(5, 1)
    pictures = clips_of(*[(jpeg(still),) * 8] * 4)
    torch.manual_seed(0)
    batch = TrainingViews(PROCESSOR, AugmentOptions(flip=True))(read_clips(pictures, range(4), 4))
    assert (batch - batch[:, :1]).abs().max() == 0
    assert all(not torch.equal(batch[0], other) for other in batch[1:])


def test_nothing_is_mirrored_unless_it_is_asked_for():
    left = np.zeros((32, 32, 3), dtype=np.uint8)
    left[:, :16] = 255
    clips = read_clips(clips_of(*[(jpeg(left),) * 8] * 16), range(16), 4)
    halves = {}
    for flip in (False, True):
        torch.manual_seed(0)
        batch = TrainingViews(PROCESSOR, SAME.model_copy(update={"flip": flip}))(clips)
        halves[flip] = set((batch[..., :4].mean((1, 2, 3, 4)) > batch[..., -4:].mean((1, 2, 3, 4))).tolist())
    assert halves == {False: {True}, True: {True, False}}


def test_batches_repeat_from_a_saved_state_of_the_generator():
    pictures = clips_of(moving(3, backwards=False, width=48), moving(9, backwards=True))
    views = TrainingViews(PROCESSOR, AugmentOptions(flip=True))

    def batch(made):
        return made(read_clips(pictures, [0, 1], 4, random_frames))

    torch.manual_seed(1)
    batch(views)
    state = torch.get_rng_state()
    second = batch(views)
    torch.set_rng_state(state)
    torch.testing.assert_close(batch(TrainingViews(PROCESSOR, AugmentOptions(flip=True))), second, rtol=0, atol=0)
    assert not torch.equal(batch(views), second)


def test_logits_of_views_are_averaged_by_clip():
    logits = torch.tensor([[1.0, 0.0], [3.0, 2.0], [0.0, 0.0], [0.0, 8.0]])
    assert mean_over_views(logits, 2).tolist() == [[2, 1], [0, 4]]


def test_a_tiny_classifier_learns_what_only_the_order_of_frames_tells():
    backwards = np.tile([False, True], 8)
    starts = np.random.default_rng(0).integers(2, 20, 16)
    pictures = clips_of(*[moving(int(y), backwards=bool(way)) for y, way in zip(starts, backwards, strict=True)])
    model, truth = tiny("videomae"), torch.from_numpy(backwards.astype(np.int64))
    takes, views = VideoInput.of(model), TrainingViews(PROCESSOR, AugmentOptions(least_area=0.8))
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        batch = views(read_clips(pictures, range(16), takes.frames, random_frames))
        optimiser.zero_grad()
        model(**{takes.name: batch}, labels=truth).loss.backward()
        optimiser.step()
    model.eval()
    unseen = clips_of(*[moving(y, backwards=way) for y in (3, 8, 13, 18) for way in (False, True)])
    with torch.no_grad():
        batch = EvaluationViews(PROCESSOR, 3)(read_clips(unseen, range(8), takes.frames))
        answers = mean_over_views(model(**{takes.name: batch}).logits, 3).argmax(1)
        turned = mean_over_views(model(**{takes.name: batch.flip(1)}).logits, 3).argmax(1)
    assert answers.tolist() == [0, 1] * 4
    assert turned.tolist() == [1, 0] * 4
