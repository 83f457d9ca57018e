import time

import pytest

from cu_pipeline.service.engine.interface import OverloadedError
from cu_pipeline.service.engine.lane import FEW, Lane


def lane(metrics, **told):
    return Lane("video", **{"deadline_s": 10.0, "guess_s": 1.0, "most": 100, "metrics": metrics} | told)


def test_a_lane_takes_what_it_can_answer_in_half_the_deadline_and_says_when_to_come_again(metrics):
    full = lane(metrics)
    places = [full.enter() for _ in range(5)]
    with pytest.raises(OverloadedError) as caught:
        full.enter()
    assert (caught.value.lane, caught.value.retry_after_s) == ("video", 1)
    places[0].leave(worked=False)
    assert full.enter()
    assert metrics.queues[-2:] == [("video", 4), ("video", 5)]


def test_a_refusal_tells_how_long_it_takes_to_make_room(metrics):
    slow = lane(metrics, guess_s=60.0)
    for _ in range(FEW):
        slow.enter()
    with pytest.raises(OverloadedError) as caught:
        slow.enter()
    assert caught.value.retry_after_s == 5 * 60 - 5


def test_a_place_is_freed_once(metrics):
    one = lane(metrics)
    place, other = one.enter(), one.enter()
    assert [place.leave(worked=True), place.leave(worked=True)] == [True, False]
    assert one.inside == 1
    assert other.leave(worked=True)


def test_room_follows_what_is_measured(metrics, monkeypatch):
    """Four requests together take what four take, whatever each one waited."""
    clock = [0.0]
    monkeypatch.setattr("cu_pipeline.service.engine.lane.monotonic", lambda: clock[0])
    fast = lane(metrics, most=1000)
    for _ in range(200):
        places = [fast.enter() for _ in range(4)]
        for place in places:
            clock[0] += 0.05
            place.leave(worked=True)
    assert fast.spacing_s == pytest.approx(0.05, rel=0.01)
    assert fast.room in {99, 100, 101}


def test_most_holds_however_fast_requests_are_answered(metrics):
    assert lane(metrics, guess_s=1e-4, most=7).room == 7
    assert lane(metrics, guess_s=100.0, most=2).room == 2


def test_waiting_is_not_part_of_a_refusal(metrics):
    full = lane(metrics)
    for _ in range(5):
        full.enter()
    begun = time.monotonic()
    for _ in range(1000):
        with pytest.raises(OverloadedError):
            full.enter()
    assert time.monotonic() - begun < 1


def test_requests_that_are_about_to_enter_take_room_too(metrics):
    busy = lane(metrics)
    busy.enter()
    busy.check(beside=busy.room - 2)
    with pytest.raises(OverloadedError):
        busy.check(beside=busy.room - 1)
