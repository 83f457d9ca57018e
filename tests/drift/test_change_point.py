from datetime import UTC, datetime, timedelta

import numpy as np

from cu_pipeline.drift.change_point import MOST, change_points, risen_since

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def hours(n):
    return [NOON + timedelta(hours=number) for number in range(n)]


def creators(n, each, rng):
    return rng.permutation(np.repeat([f"c{number}" for number in range(n // each)], each)).astype(object)


def test_it_finds_since_when_captions_are_missing():
    rng = np.random.default_rng(4)
    missing = (rng.random(300) < np.where(np.arange(300) < 210, 0.03, 0.4)).astype(float)
    (found,) = change_points(missing, hours(300), creators(300, 3, rng), 1)
    assert abs(found.place - 210) <= 8
    assert found.time == NOON + timedelta(hours=found.place)
    assert (found.before, found.after) == (missing[: found.place].mean(), missing[found.place :].mean())
    assert found.p_value == 1 / 200


def test_a_change_that_went_and_came_again_counts_from_when_it_came_last():
    rng = np.random.default_rng(5)
    level = np.repeat([0.0, 1.0, 0.0, 1.0], 60)
    times, units = hours(240), creators(240, 2, rng)
    values = level + rng.normal(scale=0.1, size=240)
    assert [one.place for one in change_points(values, times, units, 1)] == [60, 120, 180]
    assert risen_since(values, times, units, 1) == times[180]
    assert risen_since(-level, times, units, 1) == times[120]


def test_what_never_changed_has_no_beginning():
    rng = np.random.default_rng(6)
    for values in (np.ones(50), rng.random(15), rng.random(10)):
        assert risen_since(values, hours(len(values)), creators(len(values), 1, rng), 1) is None


def test_creators_who_come_one_after_the_other_are_no_change():
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(100):
        style = rng.normal(size=12)
        units = np.repeat([f"c{number}" for number in range(12)], 20).astype(object)
        values = np.repeat(style, 20) + rng.normal(scale=0.3, size=240)
        alarms += bool(change_points(values, hours(240), units, 1, alpha=0.05))
    assert alarms <= 5 + 3 * np.sqrt(100 * 0.05 * 0.95)


def test_of_a_long_time_the_latest_clips_are_looked_at():
    values = np.repeat([0.0, 1.0], [MOST, 500])
    units = np.array([f"c{number}" for number in range(len(values))], dtype=object)
    assert risen_since(values, hours(len(values)), units, 1) == NOON + timedelta(hours=MOST)
