import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cu_pipeline.core.capability import NONE, SEPARATOR, Capabilities, Capability, Kind, join_label, split_label

NAMES = st.text(min_size=1).map(str.strip).filter(lambda name: name and SEPARATOR not in name and name != NONE)


@given(st.sets(NAMES))
def test_a_multi_label_comes_back_from_its_text(classes: set[str]) -> None:
    assert set(split_label(join_label(list(classes), Kind.MULTI), Kind.MULTI)) == classes


@given(NAMES)
def test_a_single_label_comes_back_from_its_text(name: str) -> None:
    assert split_label(join_label([name], Kind.SINGLE), Kind.SINGLE) == (name,)


@given(st.lists(NAMES))
def test_the_text_does_not_depend_on_order_or_repetition(classes: list[str]) -> None:
    assert join_label(classes, Kind.MULTI) == join_label([*reversed(classes), *classes], Kind.MULTI)


def test_spaces_and_empty_parts_are_ignored() -> None:
    assert split_label(" violence | |advert|", Kind.MULTI) == ("advert", "violence")


def test_a_single_label_needs_exactly_one_class() -> None:
    with pytest.raises(ValueError, match="unpack"):
        join_label(["a", "b"], Kind.SINGLE)


@pytest.mark.parametrize("classes", [["a", "a"], ["a|b"], ["none"], [" "], [""]])
def test_unusable_classes_are_refused(classes: list[str]) -> None:
    with pytest.raises(ValidationError, match=r"cannot be used|repeat a name"):
        Capability(kind=Kind.MULTI, classes=tuple(classes))


def test_where_one_class_holds_its_name_may_be_none_or_have_a_bar() -> None:
    assert Capability(classes=("none", "News | Politics")).classes == ("none", "News | Politics")


def configured(**capability: object) -> Capability:
    return Capabilities.model_validate({"topic": capability}).root["topic"]


def test_configured_classes_are_spelt_as_the_feeds_are() -> None:
    described = {"Cafe\u0301": "coffee", "Tom & Jerry": "cats"}
    found = configured(classes=["Cafe\u0301 ", "Tom\u00a0&amp; Jerry"], class_descriptions=described)
    assert found.classes == ("Café", "Tom & Jerry")
    assert found.class_descriptions == {"Café": "coffee", "Tom & Jerry": "cats"}


@pytest.mark.parametrize(
    ("capability", "message"),
    [
        ({"classes": ["Food", "food"]}, "classes 'Food' and 'food' differ only in case or form"),
        ({"classes": ["film", "\ufb01lm"]}, "differ only in case or form"),
        ({"classes": ["Café", "Cafe\u0301"]}, "repeat a name"),
        ({"classes": ["a" * 101, "b"]}, "has 101 characters, and 100 are allowed"),
        ({"classes": ["\u200b", "b"]}, "no visible name"),
        ({"classes": ["NONE", "b"], "kind": "multi"}, "'none' says that no class applies"),
    ],
)
def test_configured_classes_that_would_be_mistaken_are_refused(capability: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        configured(**capability)


def test_a_name_of_a_hundred_characters_is_a_class() -> None:
    assert configured(classes=["a" * 100, "b"]).classes == ("a" * 100, "b")


def test_a_project_needs_a_capability_and_keeps_their_order() -> None:
    with pytest.raises(ValidationError):
        Capabilities({})
    assert list(Capabilities.model_validate({"z": {}, "a": {"kind": "multi"}}).root) == ["z", "a"]


def test_descriptions_are_of_classes_that_there_are() -> None:
    Capability(classes=("pets", "cars"), class_descriptions={"pets": "animals at home"})
    Capability(class_descriptions={"pets": "classes may still come from the feed"})
    with pytest.raises(ValidationError, match="class_descriptions name 'dogs'; classes are pets, cars"):
        Capability(classes=("pets", "cars"), class_descriptions={"dogs": "x"})


def test_a_decision_is_written_only_where_one_is_set() -> None:
    assert "decision" not in Capability(decision={}).model_dump()
    written = Capability(decision={"target": "precision"}).model_dump(mode="json")["decision"]
    assert written == {"target": "precision", "at_least": 0.9, "confidence": 0.95, "abstain_below": 0.0}
    sets = Capability(classes=("abstain", "b"), decision={"set_coverage": 0.9}).model_dump(mode="json")["decision"]
    assert sets["set_coverage"] == 0.9


@pytest.mark.parametrize(
    ("capability", "message"),
    [
        ({"kind": "multi", "decision": {"abstain_below": 0.5}}, "abstain_below is for `kind: single`"),
        ({"kind": "multi", "decision": {"set_coverage": 0.9}}, "set_coverage is for `kind: single`"),
        ({"classes": ("Abstain", "b"), "decision": {"target": "recall"}}, "'abstain' cannot be used"),
        ({"decision": {"target": "accuracy"}}, "precision"),
        ({"decision": {"at_least": 1.0}}, "less than 1"),
    ],
)
def test_decisions_that_cannot_be_kept_are_refused(capability: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Capability.model_validate(capability)
