"""What a curve promises, held against the law that its points were drawn from."""

import numpy as np
import pytest

from cu_pipeline.evaluation.learning_curve import Curve

SIZES = np.array([40.0, 80.0, 160.0, 320.0])
KNOWN, MORE = 480, 1000


def curve(wrong_at, seed=0, clips=600, alike=5, sizes=SIZES):
    """Answers about clips of units of `alike`, of which a share is wrong that depends on the size."""
    random = np.random.default_rng(seed)
    groups = np.arange(clips) // alike
    hard = np.repeat(random.random(clips // alike), alike) * 0.5 + random.random(clips) * 0.5
    ranks = np.argsort(np.argsort(hard + random.normal(0, 0.05, clips))) / clips
    right = np.stack([ranks < 1 - wrong_at(size) + random.normal(0, 0.004) for size in sizes], axis=1).astype(float)
    return Curve(np.array(sizes), np.array(sizes) / 5, right, 1 - right, groups)


def falling(size):
    return 0.08 + 2.0 * size**-0.6


@pytest.mark.parametrize("seed", range(5))
def test_what_more_clips_bring_is_forecast_about_as_large_as_it_is(seed):
    found = curve(falling, seed).forecast(KNOWN, MORE)
    gain = falling(KNOWN) - falling(KNOWN + MORE)
    assert found.gain == pytest.approx(gain, abs=0.015)
    assert found.gain_low <= gain <= found.gain_high
    assert (found.clips, found.more) == (KNOWN + MORE, MORE)
    assert found.low <= found.accuracy <= found.high


def test_a_model_that_learns_nothing_is_promised_nothing():
    found = curve(lambda size: 0.75).forecast(KNOWN, MORE)
    assert found.gain < 0.01
    assert found.gain_low < 0.002
    assert str(found).startswith("1,000 more labelled clips are expected to bring 0.")


def test_a_steep_curve_promises_more_than_a_flat_one():
    steep, flat = (curve(law).forecast(KNOWN, MORE) for law in (falling, lambda size: 0.3 + 0.2 * size**-0.5))
    assert steep.gain_low > flat.gain


def test_few_clips_leave_the_forecast_open():
    many, few = (curve(falling, clips=clips).forecast(KNOWN, MORE) for clips in (2000, 60))
    assert few.gain_high - few.gain_low > many.gain_high - many.gain_low


@pytest.mark.parametrize("wrong", [0.0, 1.0])
def test_a_model_that_is_always_or_never_right_has_a_forecast(wrong):
    found = curve(lambda size: wrong).forecast(KNOWN, MORE)
    assert 0 <= found.low <= found.accuracy <= found.high <= 1
    assert found.gain == pytest.approx(0, abs=0.02)


def test_two_sizes_or_one_unit_are_no_curve():
    assert curve(falling, sizes=SIZES[:2]).forecast(KNOWN, MORE) is None
    assert curve(falling, alike=600).forecast(KNOWN, MORE) is None


def test_the_points_are_those_of_the_answers():
    right = np.array([[0, 1, 1], [1, 1, 1], [0, 0, 1], [0, 1, 0]], dtype=float)
    points = Curve(SIZES[:3], SIZES[:3] / 10, right, 1 - right, np.arange(4)).to_json(KNOWN, MORE)["points"]
    assert [(one["clips"], one["units"], one["accuracy"], one["loss"]) for one in points] == [
        (40, 4, 0.25, 0.75), (80, 8, 0.75, 0.25), (160, 16, 0.75, 0.25),
    ]  # fmt: skip
