"""What the ledger keeps of a change, and how lines of earlier versions are read."""

import json

import pytest

from cu_pipeline.tracking.promotions import UNKNOWN, Cause, Promotion, former_champions, of_capability, taken_back


@pytest.fixture(autouse=True)
def _no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)


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
    assert (entry.before, entry.after, entry.to_number, entry.cause) == (None, UNKNOWN, "3", "gate")


def test_a_line_of_an_earlier_version_says_by_for_the_cause_and_names_no_actor() -> None:
    line = {"time": "2026-01-01T00:00:00+00:00", "capability": "topic", "from": "1", "to": "2", "reason": "moved"}
    entry = Promotion.from_json(line | {"from_bundle": "a", "to_bundle": "b", "by": "hand"})
    assert (entry.cause, entry.actor, entry.before, entry.after) == ("hand", UNKNOWN, "a", "b")
    assert taken_back([entry]) == {"a"}


def test_an_entry_names_who_brought_it_about(monkeypatch: pytest.MonkeyPatch) -> None:
    def actor(cause: Cause) -> str:
        return Promotion.now("topic", ("a", "b"), cause, "").actor

    monkeypatch.setenv("CU_PIPELINE_ACTOR", "anna@laptop")
    assert actor("promote") == actor("gate") == "anna@laptop"
    assert actor("hand") == UNKNOWN  # whoever runs the pipeline has not moved the alias


def changes(*steps: tuple[str | None, Cause]) -> list[Promotion]:
    """Make the entries of champions one after the other."""
    before = [None, *(after for after, _ in steps)]
    return [Promotion.now("topic", (one, after), cause, "") for one, (after, cause) in zip(before, steps, strict=False)]


@pytest.mark.parametrize(
    ("steps", "line"),
    [
        ([], []),
        ([("a", "gate")], []),
        ([("a", "gate"), ("b", "gate"), ("c", "promote")], ["b", "a"]),
        ([("a", "gate"), ("b", "gate"), ("c", "gate"), ("b", "rollback")], ["a"]),
        ([("a", "gate"), ("b", "gate"), ("c", "gate"), ("b", "rollback"), ("a", "rollback")], []),
        ([("a", "gate"), ("b", "gate"), ("a", "rollback"), ("c", "gate")], ["a"]),
        ([("a", "gate"), ("b", "gate"), ("a", "hand")], []),
        ([("a", "gate"), ("b", "gate"), ("a", "promote")], ["b", "a"]),  # promoted anew, which may be taken back
        ([("a", "gate"), ("b", "gate"), (None, "hand")], ["b", "a"]),
        ([("a", "gate"), (None, "hand"), ("a", "promote")], []),
    ],
)
def test_a_rollback_leads_step_by_step_to_the_champions_before(
    steps: list[tuple[str | None, Cause]], line: list[str]
) -> None:
    assert former_champions(changes(*steps)) == line


def test_a_champion_from_before_the_ledger_can_be_gone_back_to() -> None:
    assert former_champions([Promotion.now("topic", ("a", "b"), "gate", "")]) == ["a"]


def test_entries_of_other_capabilities_are_left_out() -> None:
    entries = [Promotion.now(name, (None, "a"), "gate", "first") for name in ("topic", "safety", "topic")]
    assert of_capability(entries, "topic") == [entries[0], entries[2]]


def test_what_people_took_back_in_several_steps_is_all_taken_back() -> None:
    steps = [(None, "a"), ("a", "b"), ("b", "c")]
    promoted = [Promotion.now("topic", step, "gate", "better") for step in steps]
    back = [Promotion.now("topic", step, "hand", "back") for step in [("c", "b"), ("b", "a")]]
    assert taken_back([*promoted, *back]) == {"b", "c"}
    assert taken_back([*promoted, *back, Promotion.now("topic", ("a", "c"), "hand", "after all")]) == {"a", "b"}
