import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.core.records import ANNOTATIONS, LEDGER, table
from cu_pipeline.labeling.costs import read_summary
from cu_pipeline.labeling.money import CENT, NO_CLASS, NOT_USED_NOW, Money, apportion, money_messages, money_table

OLD, NEW = "2026-03-01T08:00:00+00:00", "2026-03-02T08:00:00+00:00"


def _entries(number: int, kind: str, annotator: str, price: float, **others: object) -> list[dict[str, object]]:
    row = {"kind": kind, "annotator": annotator, "capability": "topic", "price": price, "entered_at": OLD}
    row |= {"version": "1", "label": "a", "clip_id": "c", "tokens": 10 if kind == "llm" else 0, "batch": ""}
    return [row | others] * number


def _project() -> Money:
    """People, rules and two language models, one of them with a prompt that is not used any more."""
    entries = [
        *_entries(30, "human", "ann", 0.04, batch="b1"),  # 1.20
        *_entries(27, "human", "ben", 0.04, batch="b2"),  # 1.08, sent back
        *_entries(9, "human", "ann", 0.04, batch="b3", entered_at=NEW),  # 0.36, not accepted yet
        *_entries(100, "rule", "emoji", 0.0),
        *_entries(48, "llm", "small", 0.0012),  # 0.0576
        *_entries(5, "llm", "small", 0.0012, clip_id="", label=""),  # 0.006, captions that say nothing
        *_entries(2, "llm", "small", 0.0012, label=""),  # 0.0024, no usable answer
        *_entries(60, "llm", "large", 0.031, entered_at=NEW),  # 1.86
        *_entries(60, "llm", "large", 0.031, version="0"),  # 1.86, of a prompt that is not used now
    ]
    used = [{"capability": "topic", "annotator": name, "version": "1", "price": 0.0} for name in ("small", "large")]
    return money_table(table(entries, LEDGER), {"b2": "sent back", "b3": "not accepted yet"}, table(used, ANNOTATIONS))


def test_one_table_has_all_that_was_paid_and_its_parts_add_up_to_the_cent() -> None:
    money = _project()
    sums = {row.source: (row.usd, row.added_usd, dict(row.unused)) for row in money.rows}
    assert sums == {
        "human": (2.64, 0.36, {"sent back": 1.08, "not accepted yet": 0.36}),
        "rule": (0, 0, {}),
        "llm:small": (0.07, 0, {NO_CLASS: 0.0}),
        "llm:large": (3.72, 1.86, {NOT_USED_NOW: 1.86}),
    }
    assert money.total.exact_usd == pytest.approx(6.426)
    assert (money.total.usd, money.total.added_usd, money.step_usd) == (6.43, 2.22, CENT)
    assert money.exact_usd("topic") == pytest.approx(6.426)


def test_log_and_file_show_the_same_sums() -> None:
    money = _project()
    stored = json.loads(json.dumps({"money": money.as_json(), "capabilities": {}}))
    assert read_summary(stored) == (money, {})
    assert stored["money"]["total"]["usd"] == 6.43
    assert money_messages(money) == [
        "topic: paid people $2.64 so far for 66 answers, of which $0.36 for answers not accepted yet and $1.08 for "
        "answers sent back",
        "topic: paid the language model large $3.72 so far for 120 calls (1,200 tokens), of which $1.86 for answers "
        "of models and prompts that are not used now",
        "topic: paid the language model small $0.07 so far for 55 calls (550 tokens)",
        "topic: paid rules $0.00 so far for 100 answers",
        f"paid for labels so far: $6.43; $2.22 of it was entered last, at {NEW}",
    ]


def test_little_is_not_taken_for_nothing() -> None:
    few = money_table(table(_entries(3, "llm", "small", 0.0001), LEDGER), {}, table([], ANNOTATIONS))
    assert few.words(few.total.usd) == "$0.0003"
    assert few.words(0.0, 0.00001) == "under $0.0001"
    assert money_messages(Money()) == ["nothing was paid for labels so far"]


def test_what_an_earlier_version_wrote_is_read() -> None:
    human = {"source": "human", "annotations": 12, "usd": 40.0, "tokens": 0}
    money, about = read_summary(
        {"topic": {"coverage": 0.5, "money": [human | {"unused": {"sent back": {"annotations": 2, "usd": 8.0}}}]}}
    )
    (row,) = money.rows
    assert (row.usd, row.entries, row.unused) == (40.0, 12, {"sent back": 8.0})
    assert about["topic"]["coverage"] == 0.5


@given(st.lists(st.integers(0, 10**9), max_size=20))
def test_parts_that_are_rounded_add_up_to_the_rounded_sum(billionths: list[int]) -> None:
    exact = [one / 10**9 for one in billionths]
    parts = apportion(exact, CENT)
    assert sum(parts) == pytest.approx(sum(exact) / CENT, abs=0.5001)
    assert all(abs(part - one / CENT) < 1.0001 for part, one in zip(parts, exact, strict=True))


def test_an_empty_ledger_has_an_empty_table() -> None:
    assert money_table(table([], LEDGER), {}, table([], ANNOTATIONS)).rows == ()
    assert read_summary({})[0].rows == ()
