from collections.abc import Iterator

import pytest

from cu_pipeline.core import counters


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    counters.reset()
    yield
    counters.reset()


def test_counts_add_up_and_are_sorted() -> None:
    counters.count("decoded", 2)
    counters.count("cached")
    counters.count("decoded")
    assert list(counters.counts().items()) == [("cached", 1), ("decoded", 3)]


def test_work_that_was_not_needed_shows_as_0() -> None:
    counters.count("decoded", 0)
    assert counters.counts() == {"decoded": 0}


def test_a_new_run_counts_from_0() -> None:
    counters.count("decoded")
    counters.reset()
    assert counters.counts() == {}
