"""The page of iterations."""

import pytest

from cu_pipeline.iterate.history_page import course_figure, history_page
from cu_pipeline.iterate.ledger import IterationLine


def line(number: int, outcome: str, **other) -> IterationLine:
    day = f"2026-03-{number:02}"
    action = {"alerted": "alert", "nothing": "nothing"}.get(outcome, "retrain")
    return IterationLine(number, f"{day}T10:00:00+00:00", f"{day}T11:00:00+00:00", action, outcome, "why", **other)


EFFECT = {"decision": "promote", "champion": "aaa111", "challenger": "bbb222", "effect": 0.031, "serves": "bbb222"}
LINES = [
    line(1, "nothing", quality={"主题": 0.9}),
    line(
        2,
        "promoted",
        cause={"kind": "new_style", "in_words": "pictures <b>moved</b>", "since": None, "share": 0.4},
        cost={"committed_usd": 7.12, "asked": 89},
        effect={"主题": EFFECT | {"fresh_effect": 0.1, "fresh_clips": 40}},
        seconds={"monitor": 30.0, "train": 60.0},
    ),
    line(3, "alerted", cause={"kind": "upstream_fault", "in_words": "captions lost", "since": None, "share": 1.0}),
]


def test_each_iteration_stands_there_with_cause_cost_and_effect() -> None:
    page = history_page(LINES)
    assert "主题 +3.1 points, +10.0 on 40 fresh clips" in page
    assert "aaa111 → bbb222" in page
    assert "kept back" not in page
    assert "promised to people for 89 clips" in page
    assert "$7.12" in page
    assert page.index("captions lost") < page.index("new style") < page.index("no drift"), "the newest first"
    assert "<b>moved</b>" not in page
    assert "&lt;b&gt;moved" in page


def test_a_figure_with_nothing_in_it_is_left_out() -> None:
    assert 'id="course"' in history_page(LINES)
    assert 'id="course"' not in history_page([line(1, "nothing"), line(3, "alerted")])


def test_a_challenger_that_was_kept_back_says_so() -> None:
    kept = line(4, "kept", effect={"topic": EFFECT | {"serves": "aaa111", "fresh_effect": None, "fresh_clips": 0}})
    assert "kept back" in history_page([kept])


def test_an_audit_says_how_many_answers_were_right_and_what_was_promised() -> None:
    row = {"champion": "aaa111", "serves": "aaa111", "clips": 30, "right": 20, "promised": 0.9, "fit": False}
    page = history_page([line(5, "audited", effect={"topic": row, "safety": row | {"clips": 0, "fit": None}})])
    assert "topic: 20 of 30 right, 90.0 % promised" in page
    assert "aaa111, worse" in page
    assert "safety:" not in page


@pytest.mark.parametrize("outcome", ["audited", "kept"])
@pytest.mark.parametrize(
    "told",
    [
        {"cause": {"kind": "mix"}},
        {"cause": {"in_words": "more cats"}},
        {"effect": {"topic": {"effect": 0.1}}},
        {"effect": {"topic": {"fresh_effect": 0.1, "effect": 0.1}}},
        {"effect": {"topic": {"clips": 3}}},
    ],
)
def test_lines_that_tell_less_are_shown_by_what_they_tell(outcome, told) -> None:
    assert "2026‑03‑06" in history_page([line(6, outcome, **told)])


def test_one_iteration_without_drift_has_a_page_and_equal_lines_equal_bytes() -> None:
    assert "no drift" in history_page(LINES[:1])
    assert history_page(LINES) == history_page(list(LINES))


def test_estimates_are_drawn_where_they_are_known_and_changes_of_champions_marked() -> None:
    figure = course_figure(LINES)
    money, quality = figure.axes
    assert [bar.get_height() for bar in money.patches] == [0, 7.12, 0]
    (estimate,) = quality.lines
    assert list(estimate.get_xdata()) == [1]
    assert quality.collections[0].get_offsets().tolist() == [[2.0, 1.0]]
