import io

import numpy as np
import pytest
from PIL import Image
from tests.models.tiny_networks import DEVICE, tiny_video

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.features.pictures import Pictures
from cu_pipeline.models.checkpoints import checkpoints_in
from cu_pipeline.models.family import Examples
from cu_pipeline.models.fine_tuning_trainer import Course
from cu_pipeline.models.video_family import Video, VideoOptions


def moving(start, backwards, width=40):
    """Eight frames of a bright square on its way to the right, or the same in the opposite order."""
    frames = []
    for step in range(8):
        image = np.zeros((32, width, 3), dtype=np.uint8)
        left = start + 3 * step
        image[8:24, left : left + 10] = 255
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=95)
        frames.append(stream.getvalue())
    return tuple(frames[::-1] if backwards else frames)


def clips(n, seed, absent=0):
    """Clips that only the direction of a movement tells apart; the last ones have no pictures."""
    random = np.random.default_rng(seed)
    backwards = random.random(n) < 0.5
    made = [moving(int(random.integers(8)), turned, int(random.choice([40, 48]))) for turned in backwards]
    pictures = Pictures([*made[: n - absent], *[None] * absent], (8, 32, 32, 3))
    features = ClipFeatures({"pixels": Feature(pictures, pictures.present)}, n)
    return Examples(features, np.eye(2, dtype=np.float32)[backwards.astype(int)])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_video(tmp_path_factory.mktemp("tiny-video"))


def options(checkpoint, **given):
    usual = {"epochs": 8, "patience": 8, "batch_size": 16, "learning_rate": 0.01, "device": DEVICE}
    return VideoOptions.model_validate({"checkpoint": {"name": str(checkpoint)}} | usual | given)


@pytest.mark.parametrize("views", [1, 3])
def test_learns_what_only_the_order_of_frames_tells(checkpoint, views):
    chosen = options(checkpoint, views=views, augment={"least_area": 0.9, "colour": 0.1})
    fitted = Video().fit(clips(96, 0, absent=8), clips(32, 1), Kind.SINGLE, chosen, seed=0)
    unseen = clips(40, 2, absent=4)
    logits = Video().load(fitted.config, fitted.weights).logits(unseen.features)
    assert (logits[:36].argmax(1) == unseen.targets[:36].argmax(1)).mean() > 0.9
    assert (logits[36:] == logits[36]).all()


def test_a_fit_that_was_killed_goes_on_to_the_same_weights_though_clips_are_changed_by_chance(
    checkpoint, tmp_path, monkeypatch
):
    augment = {"flip": True, "least_area": 0.5}
    given = (
        clips(48, 0),
        clips(16, 1),
        Kind.SINGLE,
        options(checkpoint, epochs=2, checkpoint_minutes=0, augment=augment),
        0,
    )
    whole = Video().fit(*given)

    class KilledError(Exception):
        pass

    on_save = Course.on_save

    def kill(self, args, state, control, **more):
        on_save(self, args, state, control, **more)
        if state.global_step == 5:
            raise KilledError

    monkeypatch.setattr(Course, "on_save", kill)
    with pytest.raises(KilledError), checkpoints_in(tmp_path):
        Video().fit(*given)
    monkeypatch.setattr(Course, "on_save", on_save)
    with checkpoints_in(tmp_path):
        resumed = Video().fit(*given)
    assert all(np.array_equal(whole.weights[name], resumed.weights[name]) for name in whole.weights)
    assert resumed.history == whole.history


def test_a_processor_that_makes_other_pictures_than_the_network_reads_is_told(tmp_path):
    file = tiny_video(tmp_path) / "preprocessor_config.json"
    file.write_text(file.read_text().replace("32", "48"))
    with pytest.raises(ConfigurationError, match=r"the network cannot read .*48\*48.* doesn't match model .32\*32"):
        Video().fit(clips(8, 0), clips(4, 1), Kind.SINGLE, options(tmp_path, epochs=1), seed=0)


def test_no_clip_has_pictures(checkpoint):
    with pytest.raises(ConfigurationError, match="no clip to learn from has pictures"):
        Video().fit(clips(4, 0, absent=4), clips(2, 1), Kind.SINGLE, options(checkpoint), seed=0)


def test_reads_pictures_alone():
    assert Video().reads({"frames": (8, 1280), "caption_text": (), "pixels": (32, 256, 256, 3)}) == ["pixels"]
    assert Video().reads({"frames": (8, 1280)}) == []
