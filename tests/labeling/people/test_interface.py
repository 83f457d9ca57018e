from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.labeling.people.harvest import read_answer
from cu_pipeline.labeling.people.tasks import control, labelling_interface

ASKED = {
    "topic": Capability(classes=("cooking", 'a "b" <c> & d', "été 😀"), description="what it\nis about"),
    "safety": Capability(kind="multi", classes=("advert", "violence")),
}


def test_every_capability_is_asked_about_with_its_classes_and_meaning() -> None:
    root = ET.fromstring(labelling_interface(ASKED))
    asked = {one.get("name"): one for one in root.iter("Choices")}
    assert {name: one.get("choice") for name, one in asked.items()} == {
        "label_topic": "single-radio",
        "label_safety": "multiple",
    }
    assert [one.get("value") for one in asked["label_topic"]] == [*ASKED["topic"].classes, "not_applicable"]
    assert [one.get("value") for one in asked["label_safety"]] == ["advert", "violence", "none", "not_applicable"]
    assert all(one.get("required") == "true" and one.get("toName") == "caption" for one in asked.values())
    assert [one.get("value") for one in root.iter("Header")] == ["topic: what it is about", "safety"]


def test_the_clip_and_its_caption_are_shown() -> None:
    root = ET.fromstring(labelling_interface(ASKED))
    assert [one.get("value") for one in root.iter("Video")] == ["$video"]
    assert [one.get("value") for one in root.iter("Text")] == ["$text"]


def test_a_class_with_a_control_character_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"'a\\x00b' has '\\x00'"):
        labelling_interface({"topic": Capability(classes=("a\0b", "c"))})


def test_a_class_shows_its_description() -> None:
    described = Capability(classes=("pets", "cars"), class_descriptions={"pets": "animals\nat home"})
    root = ET.fromstring(labelling_interface({"topic": described}))
    hints = {one.get("value"): one.get("hint") for one in root.iter("Choice")}
    assert (hints["pets"], hints["cars"]) == ("animals at home", None)


def test_capabilities_of_any_name_are_asked_about_and_their_answers_come_home() -> None:
    names = ["food, drink & <more>", "a/b", "A", "a", "名前", 'says "hi"', "100%"]
    asked = {name: Capability(classes=("x", "y")) for name in names}
    root = ET.fromstring(labelling_interface(asked))
    controls = [str(one.get("name")) for one in root.iter("Choices")]
    assert len(set(controls)) == len(names)
    assert all("," not in one for one in controls), "Label Studio takes a comma for the end of a name"
    batch = SimpleNamespace(batch="b", capabilities=asked)
    for place in (control, lambda name: f"label_{name}"):  # and as earlier versions named them
        result = [{"from_name": place(name), "value": {"choices": ["x"]}} for name in names]
        annotation = {"id": 1, "completed_by": "ann@x", "updated_at": "2026-01-01T00:00:00Z", "result": result}
        assert read_answer(annotation, batch, "c").labels == dict.fromkeys(names, "x")
