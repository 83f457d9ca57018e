import logging
import time

import pytest

from cu_pipeline.core.progress import Bar, each, shown_within


def test_without_a_terminal_a_line_tells_count_rate_time_left_and_price(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bar = Bar("asking", 4, "question", first_s=0.0, every_s=0.001)
    for _ in range(2):
        time.sleep(0.01)
        bar.update(note="$0.02 so far")
    bar.close()
    last = caplog.messages[-1]
    assert last.startswith("asking: 2 of 4 questions, ")
    assert "question/s, 00:00 left, $0.02 so far" in last
    assert shown_within(60)


def test_short_work_says_nothing_and_hands_all_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert list(each(iter("abc"), "reading", 3)) == ["a", "b", "c"]
    assert caplog.messages == []


def test_a_bar_inside_another_writes_no_signs_for_a_terminal(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    outer = Bar("outside", 1, "fold", first_s=0.0, every_s=0.001)
    inner = Bar("inside", 2, first_s=0.0, every_s=0.001)
    time.sleep(0.01)
    inner.update(2)
    inner.close()
    time.sleep(0.01)
    outer.update()
    outer.close()
    assert {message.partition(":")[0] for message in caplog.messages} == {"inside", "outside"}
