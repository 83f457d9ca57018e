"""What the ledger keeps of a change, and how lines of earlier versions are read."""

import json

from cu_pipeline.tracking.promotions import UNKNOWN, Promotion, of_capability, taken_back


def test_an_entry_comes_back_from_its_line() -> None:
    entry = Promotion.now("topic", ("aaa", "bbb"), "hand", "worse on Sundays").numbered("4", None)
    line = json.loads(json.dumps(entry.as_json()))
    assert Promotion.from_json(line) == entry
    assert {name: line[name] for name in ("from", "to", "from_bundle", "to_bundle")} == {
        "from": "4", "to": None, "from_bundle": "aaa", "to_bundle": "bbb",
    }  # fmt: skip


def test_a_line_of_an_earlier_version_has_numbers_and_names_no_bundle() -> None:
    line = {"time": "2026-01-01T00:00:00+00:00", "capability": "topic", "from": None, "to": "3", "reason": "first"}
    entry = Promotion.from_json(line)
    assert (entry.before, entry.after, entry.to_number, entry.by) == (None, UNKNOWN, "3", "gate")


def test_entries_of_other_capabilities_are_left_out() -> None:
    entries = [Promotion.now(name, (None, "a"), "gate", "first") for name in ("topic", "safety", "topic")]
    assert of_capability(entries, "topic") == [entries[0], entries[2]]


def test_what_people_took_back_in_several_steps_is_all_taken_back() -> None:
    steps = [(None, "a"), ("a", "b"), ("b", "c")]
    promoted = [Promotion.now("topic", step, "gate", "better") for step in steps]
    back = [Promotion.now("topic", step, "hand", "back") for step in [("c", "b"), ("b", "a")]]
    assert taken_back([*promoted, *back]) == {"b", "c"}
    assert taken_back([*promoted, *back, Promotion.now("topic", ("a", "c"), "hand", "after all")]) == {"a", "b"}
