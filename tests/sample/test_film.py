from dataclasses import replace

import numpy as np
import pytest

from cu_pipeline.sample.film import SAMPLE_RATE, draw_frames, draw_sound
from cu_pipeline.sample.options import Alteration
from cu_pipeline.sample.render import ALTERATIONS
from cu_pipeline.sample.scenes import SCENES
from cu_pipeline.sample.shot import FPS, HEIGHT, WIDTH, Shot


def difference(a, b):
    return float(np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).mean())


@pytest.mark.parametrize("scene", SCENES)
def test_every_scene_moves_and_repeats_itself_for_the_same_seed(scene):
    frames = draw_frames(Shot(scene, seed=3, seconds=1))
    assert len(frames) == FPS
    assert {(frame.shape, frame.dtype.name) for frame in frames} == {((HEIGHT, WIDTH, 3), "uint8")}
    assert difference(frames[0], frames[-1]) > 1
    assert np.array_equal(frames, draw_frames(Shot(scene, seed=3, seconds=1)))
    assert difference(frames[0], draw_frames(Shot(scene, seed=4, seconds=1))[0]) > 2


def test_motion_pair_has_the_same_frames_in_opposite_order():
    shot = Shot("site", seed=5, seconds=2, impacts=True, overlay=("PART 2",), badge="SALE")
    built, torn_down = draw_frames(shot), draw_frames(replace(shot, reverse=True))
    assert np.array_equal(built, torn_down[::-1])
    assert difference(built[0], built[-1]) > 10


@pytest.mark.parametrize(
    "change", [{"impacts": True}, {"badge": "SALE"}, {"overlay": ("WAIT FOR IT",)}, {"neon": True}]
)
def test_what_a_shot_carries_can_be_seen(change):
    shot = Shot("generic", seed=1, seconds=0.5)
    assert difference(draw_frames(shot), draw_frames(replace(shot, **change))) > 1


def test_key_covers_every_field():
    shot = Shot("pets", seed=1, seconds=2)
    changes = [{"scene": "site"}, {"seed": 2}, {"seconds": 3}, {"reverse": True}, {"overlay": ("A",)}, {"badge": "A"},
               {"impacts": True}, {"neon": True}, {"crf": 30}, {"alteration": "trimmed"}, {"mark": "@a"},
               {"damage": "empty"}, {"look": replace(shot.look, noise=1.0)}]  # fmt: skip
    keys = {shot.key, *(replace(shot, **change).key for change in changes)}
    assert len(keys) == len(changes) + 1
    assert {name for change in changes for name in change} == set(Shot.__dataclass_fields__)


def test_sound_lasts_as_long_as_the_picture():
    shot = Shot("pets", seed=1, seconds=2.5)
    sound = draw_sound(shot)
    assert len(sound) / SAMPLE_RATE == pytest.approx(shot.frames / FPS, abs=1 / FPS)
    assert np.abs(sound).max() > 1000


def test_alterations_change_what_they_say():
    frames = draw_frames(Shot("pets", seed=1, seconds=2))
    after = {kind: change(frames, "@someone") for kind, change in ALTERATIONS.items()}
    assert set(after) | {Alteration.RECAPTIONED} == set(Alteration)
    assert after["cropped"][0].shape == (344, 194, 3)
    assert after["resized"][0].shape == (268, 150, 3)
    assert np.array_equal(after["mirrored"][0][:, ::-1], frames[0])
    assert len(after["trimmed"]) == len(frames) - FPS
    assert 0 < difference(after["watermarked"], frames) < 5
    assert all(side % 2 == 0 for made in after.values() for side in made[0].shape[:2])
