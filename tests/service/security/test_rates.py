import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.service.security.rates import Rate, RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("written", ["", "10", "0/s", "10/d", "1.5/s", "-1/s", "10/s ", "12345678/s", "١/s"])
def test_what_is_no_rate_is_told_with_what_is(written: str) -> None:
    with pytest.raises(ConfigurationError, match=r"such as 10/s, 600/m"):
        Rate.parse(written)


@given(
    st.sampled_from(["1/s", "7/s", "30/m", "2/h"]),
    st.lists(st.floats(min_value=0, max_value=2000, allow_nan=False), max_size=60),
)
def test_no_stretch_of_time_has_more_than_the_burst_and_what_came_back(written: str, pauses: list[float]) -> None:
    clock, rate = Clock(), Rate.parse(written)
    limiter, begun, passed = RateLimiter(clock), clock.now, 0
    for pause in pauses:
        clock.now += pause
        passed += limiter.wait("one", rate) == 0
        assert passed <= rate.requests + (clock.now - begun) * rate.requests / rate.seconds + 1e-6


@given(st.sampled_from(["1/s", "7/s", "30/m", "2/h", "9999999/s"]), st.integers(0, 40))
def test_who_waits_as_long_as_was_told_passes(written: str, before: int) -> None:
    clock, rate = Clock(), Rate.parse(written)
    limiter = RateLimiter(clock)
    for _ in range(before):
        limiter.wait("one", rate)
    if told := limiter.wait("one", rate):
        assert told >= 1
        clock.now += told
        assert limiter.wait("one", rate) == 0


def test_callers_do_not_share_a_bucket_and_the_longest_unseen_are_forgotten() -> None:
    limiter, rate = RateLimiter(Clock(), most=3), Rate.parse("1/h")
    assert [limiter.wait(name, rate) == 0 for name in "abcabc"] == [True] * 3 + [False] * 3
    for name in map(str, range(1000)):
        limiter.wait(name, rate)
    assert len(limiter) == 3
    assert limiter.wait("a", rate) == 0
