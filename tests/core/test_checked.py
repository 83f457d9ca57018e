from dataclasses import dataclass
from enum import StrEnum

import pytest

from cu_pipeline.core.checked import checked


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Part:
    size: float


@dataclass(frozen=True)
class Thing:
    name: str
    colour: Colour
    parts: tuple[Part, ...] = ()


def test_nested_objects_are_made_of_what_json_gives() -> None:
    found = checked(Thing, {"name": "a", "colour": "red", "parts": [{"size": 1}, {"size": 0.5}]})
    assert found == Thing("a", Colour.RED, (Part(1.0), Part(0.5)))


def test_all_that_cannot_be_used_is_said_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"name: .*valid string") as told:
        checked(Thing, {"name": None, "colour": "blue", "parts": [{"size": "long"}, {}]})
    said = str(told.value).split("; ")
    assert [one.split(":")[0] for one in said] == ["name", "colour", "parts.0.size", "parts.1.size"]
    assert said[1] == "colour: Input should be 'red' (not 'blue')"


@pytest.mark.parametrize("record", [None, [], 7, "thing"])
def test_what_is_no_record_is_said_so(record) -> None:
    with pytest.raises(ValueError, match=r"the whole: .*\(not "):
        checked(Thing, record)
