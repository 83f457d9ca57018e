import threading
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cu_pipeline.llm.clients import pacing
from cu_pipeline.llm.clients.options import OpenAIOptions
from cu_pipeline.llm.clients.pacing import Budget, Pace, Usage

MINUTE = 60.0
PRICES = OpenAIOptions(price_per_1000_prompt_tokens=1.0, price_per_1000_output_tokens=10.0)
"""A prompt's token costs a tenth of a cent, a written one a cent."""


class _Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False


def _entered(pace: Pace, sizes: list[int], monkeypatch: pytest.MonkeyPatch, stop_after: int = 0) -> list[float]:
    """Seconds after the start at which requests of so many tokens pass."""
    clock = _Clock()
    monkeypatch.setattr(pacing, "time", SimpleNamespace(monotonic=clock.monotonic))
    times = []
    for size in sizes:
        pace.enter(size, clock)
        times.append(clock.now - 1000.0)
    return times


def test_tokens_wait_for_those_of_the_minute_before(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _entered(Pace(0, 100), [60, 40, 1, 99, 50], monkeypatch) == pytest.approx([0, 0, 60, 60, 120])


def test_a_request_beyond_the_limit_passes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _entered(Pace(0, 100), [500, 1, 500], monkeypatch) == pytest.approx([0, 60, 120])


def test_0_is_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _entered(Pace(0, 0), [10**9] * 5, monkeypatch) == [0.0] * 5


@settings(deadline=None)
@given(st.lists(st.integers(1, 120), max_size=30), st.integers(1, 6), st.integers(50, 150))
def test_no_minute_has_more_requests_or_tokens_than_allowed(sizes: list[int], requests: int, tokens: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        times = _entered(Pace(requests, tokens), sizes, patch)
    for start in times:
        minute = [size for time, size in zip(times, sizes, strict=True) if start <= time < start + MINUTE - 1e-6]
        assert len(minute) <= requests
        assert sum(minute) <= tokens or len(minute) == 1


def test_what_is_under_way_counts_towards_the_budget_until_it_is_settled() -> None:
    budget, call = Budget(1.0, PRICES), Usage(100, 50)
    assert budget.reserve(call)
    passed: list[bool] = []
    second = threading.Thread(target=lambda: passed.append(budget.reserve(call)), daemon=True)
    second.start()
    second.join(0.2)
    assert passed == []
    budget.settle(call, Usage(100, 20))
    second.join(5)
    assert passed == [True]
    budget.settle(call, call)
    assert not budget.reserve(call)


def test_where_nothing_under_way_leaves_room_all_that_wait_are_turned_away() -> None:
    budget, call = Budget(1.0, PRICES), Usage(100, 50)
    assert budget.reserve(call)
    passed: list[bool] = []
    waiting = [threading.Thread(target=lambda: passed.append(budget.reserve(call)), daemon=True) for _ in range(3)]
    for one in waiting:
        one.start()
    budget.settle(call, call)
    for one in waiting:
        one.join(5)
    assert passed == [False] * 3


def test_a_budget_fits_exactly() -> None:
    budget, call = Budget(1.2, PRICES), Usage(100, 50)
    assert budget.reserve(call)
    budget.settle(call, call)
    assert budget.reserve(call)
    budget.settle(call, call)
    assert not budget.reserve(Usage(1, 0))


def test_a_short_wait_does_not_end_a_long_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pace = _Clock(), Pace(0, 0)
    monkeypatch.setattr(pacing, "time", SimpleNamespace(monotonic=clock.monotonic))
    pace.hold(60)
    pace.hold(1)
    pace.enter(1, clock)
    assert clock.now == pytest.approx(1060)
