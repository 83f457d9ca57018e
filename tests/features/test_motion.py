import pickle
from fractions import Fraction
from importlib import metadata

import av
import cv2
import numpy as np
import pytest

from cu_pipeline.features import motion
from cu_pipeline.features.encoding import prepare_media
from cu_pipeline.features.motion import Glimpse, Motion
from cu_pipeline.features.motion_statistics import WIDTH, numbers_of
from cu_pipeline.features.table import FeatureInput, build

HEIGHT, WIDE = 120, 160
FPS = 10


def texture(height, width, seed=0):
    """Blobs of a few pixels, as flow needs them; float32 grey levels."""
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.uniform(0, 255, (height // 5, width // 5)).astype(np.float32), (width, height))


GROUND, THING = texture(2 * HEIGHT, 2 * WIDE), texture(60, 60, seed=1)


def scene(thing=(80.0, 60.0), angle=0.0, scale=1.0, pan=(0, 0)):
    """A picture with a round thing on a ground: where its middle is, degrees clockwise, size, shift of the camera."""
    right, down = pan
    picture = GROUND[60 - down : 60 - down + HEIGHT, 80 - right : 80 - right + WIDE].copy()
    matrix = cv2.getRotationMatrix2D((30, 30), -angle, scale)
    matrix[:, 2] += np.array(thing) + pan - 30
    disc = cv2.circle(np.zeros((60, 60), np.float32), (30, 30), 28, 1.0, -1)
    mask = cv2.warpAffine(disc, matrix, (WIDE, HEIGHT))
    put = cv2.warpAffine(THING, matrix, (WIDE, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    return np.round(picture * (1 - mask) + put * mask).astype(np.uint8)


def measured(first, second, seconds=1 / FPS):
    """One pair's numbers by measure."""
    numbers = Motion(pairs=1).prepare([Glimpse(first, 0.0), Glimpse(second, seconds)])[0]
    assert numbers.dtype == np.float32
    return Numbers(numbers)


class Numbers:
    def __init__(self, numbers):
        assert numbers.shape == (WIDTH,)
        assert np.isfinite(numbers).all()
        self.all = numbers

    def __getitem__(self, name):
        return self.all[numbers_of(name)]

    @property
    def direction(self):
        return ("right", "right down", "down", "left down", "left", "left up", "up", "right up")[
            int(self["directions"].argmax())
        ]

    @property
    def turns(self):
        """The strongest turn clockwise and the other way, twice radians a second, through the least blur."""
        return self["turning"][2:4]

    @property
    def growths(self):
        return self["turning"][6:8]


@pytest.mark.parametrize(
    ("way", "direction"),
    [((1, 0), "right"), ((-1, 0), "left"), ((0, 1), "down"), ((0, -1), "up"), ((1, 1), "right down")],
)
@pytest.mark.parametrize("pixels", [2, 6])
def test_a_thing_that_moves_has_its_direction_and_speed(way, direction, pixels):
    found = measured(scene(), scene(thing=(80 + pixels * way[0], 60 + pixels * way[1])))
    assert found.direction == direction
    speed = pixels * np.hypot(*way) / WIDE * FPS
    assert found["speed"][5] == pytest.approx(speed, rel=0.15)
    np.testing.assert_allclose(found["camera"][:2], 0, atol=0.02 * speed)
    middle = found["grid"].reshape(3, 3, 3)[1, 1]
    assert np.sign(np.round(middle[:2], 2)).tolist() == list(way)


def test_what_a_thing_leaves_alone_does_not_move():
    found = measured(scene(), scene(thing=(86, 60)))
    assert found["speed"][2] < 0.01
    assert found["speed"][6] == pytest.approx(np.pi * 28**2 / (WIDE * HEIGHT), rel=0.5)


@pytest.mark.parametrize("pan", [(4, 0), (-3, 2), (0, -5)])
def test_a_pan_is_the_cameras_and_nothing_moves_beyond_it(pan):
    found = measured(scene(), scene(pan=pan))
    np.testing.assert_allclose(found["camera"][:2], np.array(pan) / WIDE * FPS, atol=0.01)
    assert found["speed"][0] < 0.05 * found["camera"][2]
    assert found["speed"][6] < 0.05


def test_a_thing_that_moves_under_a_pan_keeps_its_motion():
    still, panned = measured(scene(), scene(thing=(84, 60))), measured(scene(), scene(thing=(84, 60), pan=(-6, 3)))
    np.testing.assert_allclose(panned["mean"], still["mean"], atol=0.01)
    assert panned.direction == "right"


def test_backwards_is_the_other_sign():
    first, second = scene(), scene(thing=(83, 57), angle=10, pan=(2, 0))
    there, back = measured(first, second), measured(second, first)
    np.testing.assert_allclose(back["camera"][:2], -there["camera"][:2], atol=0.01)
    np.testing.assert_allclose(back["mean"], -there["mean"], atol=0.01)
    assert (there.direction, back.direction) == ("right up", "left down")
    assert back["change"][0] == pytest.approx(-there["change"][0])


def test_a_thing_that_turns_has_curl_and_no_divergence():
    right, left = measured(scene(), scene(angle=8)), measured(scene(), scene(angle=-8))
    rate = 2 * np.radians(8) * FPS
    assert right.turns[0] == pytest.approx(rate, rel=0.15)
    assert left.turns[1] == pytest.approx(rate, rel=0.15)
    assert max(right.turns[1], left.turns[0]) < 0.6 * rate  # of the rim
    assert right.growths.max() < 0.3 * rate
    assert right["turning"][0] > 0 > left["turning"][0]


def test_a_thing_that_grows_has_divergence_and_no_curl():
    grown, shrunk = measured(scene(), scene(scale=1.1)), measured(scene(), scene(scale=1 / 1.1))
    rate = 2 * np.log(1.1) * FPS
    assert grown.growths[0] == pytest.approx(rate, rel=0.15)
    assert shrunk.growths[1] == pytest.approx(rate, rel=0.15)
    assert grown.growths[0] > 1.5 * grown.growths[1]
    assert grown.turns.max() < 0.4 * rate
    assert grown["turning"][4] > 0 > shrunk["turning"][4]


def test_zoom_and_turn_of_the_whole_picture_are_the_cameras():
    picture = GROUND[:HEIGHT, :WIDE].astype(np.uint8)

    def filmed(angle, scale):
        matrix = cv2.getRotationMatrix2D((WIDE / 2, HEIGHT / 2), -angle, scale)
        return measured(picture, cv2.warpAffine(picture, matrix, (WIDE, HEIGHT), borderMode=cv2.BORDER_REPLICATE))

    zoomed, turned = filmed(0, 1.03), filmed(2, 1)
    assert zoomed["camera"][3] == pytest.approx(2 * 0.03 * FPS, rel=0.1)
    assert turned["camera"][4] == pytest.approx(2 * np.radians(2) * FPS, rel=0.1)
    assert max(zoomed["speed"][0], turned["speed"][0]) < 0.03


@pytest.mark.parametrize("picture", [scene(), np.full((HEIGHT, WIDE), 7, np.uint8), np.zeros((16, 160), np.uint8)])
def test_a_still_clip_gives_zeros(picture):
    assert not measured(picture, picture).all.any()


def test_speeds_do_not_depend_on_the_time_between_frames():
    slow = measured(scene(), scene(thing=(82, 60)), seconds=0.1)
    fast = measured(scene(), scene(thing=(84, 60)), seconds=0.2)
    np.testing.assert_allclose(fast["mean"], slow["mean"], rtol=0.2, atol=0.002)


def test_cuts_and_noise_stay_within_bounds():
    rng = np.random.default_rng(0)
    for _ in range(5):
        found = measured(*rng.integers(0, 256, (2, HEIGHT, WIDE), dtype=np.uint8), seconds=0.001)
        assert np.abs(found["camera"][:2]).max() <= 4
        assert found["speed"].max() <= 4.001


def test_the_same_frames_give_the_same_bytes():
    pair = scene(), scene(thing=(85, 62), pan=(2, 1))
    threads = cv2.getNumThreads()
    first = measured(*pair).all.tobytes()
    assert all(measured(*pair).all.tobytes() == first for _ in range(3))
    cv2.setNumThreads(threads)


def write(path, pictures, times, codec="libx264", **options):
    """Write RGB frames of these grey pictures, shown at `times` in tenths of a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options=options)
        stream.height, stream.width = pictures[0].shape
        stream.pix_fmt = {"gif": "rgb8"}.get(codec, "yuv420p")
        stream.codec_context.time_base = Fraction(1, FPS)
        for picture, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.repeat(picture[..., None], 3, axis=2))
            frame.pts, frame.time_base = time, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def of_clip(path, **parameters):
    """The numbers of a clip's pairs, as a worker process makes them."""
    return [Numbers(one) for one in prepare_media(str(path), {"motion": Motion(**parameters)})["motion"]]


def test_a_clip_tells_motion_and_its_reverse_the_opposite(tmp_path):
    pictures = [scene(thing=(20 + 4 * step, 60)) for step in range(30)]
    there = of_clip(write(tmp_path / "a.mp4", pictures, range(30), crf="10"))
    back = of_clip(write(tmp_path / "b.mp4", pictures[::-1], range(30), crf="10"))
    assert len(there) == 8
    assert {one.direction for one in there} == {"right"}
    assert {one.direction for one in back} == {"left"}
    for one in there:
        assert one["speed"][5] == pytest.approx(4 / WIDE * FPS, rel=0.2)


def test_what_speeds_up_is_seen_to(tmp_path):
    pictures = [scene(thing=(20 + 0.15 * step**2, 60)) for step in range(30)]
    speeds = [one["speed"][5] for one in of_clip(write(tmp_path / "a.mp4", pictures, range(30), crf="10"), pairs=4)]
    assert np.argsort(speeds).tolist() == [0, 1, 2, 3]


def test_frames_that_are_shown_longer_move_as_fast(tmp_path):
    times = np.cumsum([1, 1, 3, 1, 2, 1, 1, 4, 1, 1, 2, 1])
    pictures = [scene(thing=(20 + 3 * time, 60)) for time in times]
    for one in of_clip(write(tmp_path / "a.mp4", pictures, times.tolist(), crf="10", bf="0")):
        assert one["speed"][5] == pytest.approx(3 / WIDE * FPS, rel=0.3)


def test_one_frame_gives_zeros(tmp_path):
    assert not any(one.all.any() for one in of_clip(write(tmp_path / "a.mp4", [scene()], [0])))


def test_a_gif_tells_motion(tmp_path):
    pictures = [scene(thing=(20 + 4 * step, 60)) for step in range(10)]
    found = of_clip(write(tmp_path / "a.gif", pictures, range(10), codec="gif"))
    assert {one.direction for one in found} == {"right"}


@pytest.mark.parametrize("shape", [(2, 2), (16, 2), (2, 400)])
def test_tiny_pictures_give_numbers(tmp_path, shape):
    noise = np.random.default_rng(0).integers(0, 256, (5, *shape), dtype=np.uint8)
    assert len(of_clip(write(tmp_path / "a.mp4", list(noise), range(5)), pairs=3)) == 3


def test_pictures_of_other_sizes_are_scaled_to_the_first():
    pair = [Glimpse(scene(), 0.0), Glimpse(cv2.resize(scene(), (90, 160)), 0.1)]
    assert np.isfinite(Motion(pairs=1).prepare(pair)).all()


def test_without_clocks_frames_count_as_far_apart_as_asked_for():
    pictures = scene(), scene(thing=(84, 60))
    unknown = Motion(pairs=1, gap_s=0.1).prepare([Glimpse(one, None) for one in pictures])
    assert np.array_equal(unknown[0], measured(*pictures, seconds=0.1).all)


def test_the_key_names_parameters_decoder_and_opencv(monkeypatch):
    keys = {Motion(**one).identity.fingerprint for one in ({}, {"pairs": 4}, {"size": 128}, {"gap_s": 0.1})}
    assert len(keys) == 4
    assert Motion().identity.decoder["version"] == av.__version__
    assert metadata.version("opencv-python-headless") in Motion().identity.parameters["flow"]
    monkeypatch.setattr(motion, "version", lambda _: "0")
    assert Motion().identity.fingerprint not in keys


def test_its_parameters_make_it_again_and_workers_get_little():
    made = Motion(pairs=3)
    assert FeatureInput.of(made).extractor().identity == made.identity
    assert build("motion", made.parameters).identity.shape == (3, WIDTH)
    assert len(pickle.dumps(made)) < 2000
    assert made.encode([]).shape == (0, 3, WIDTH)
